/** The drivers of this build. */
#include "../core/driver.h"

#ifdef COVET_HAVE_SQLITE
extern const covet_driver covet_sqlite_driver;
#endif

const covet_driver *const covet_drivers[] = {
#ifdef COVET_HAVE_SQLITE
    &covet_sqlite_driver,
#endif
    NULL};
