/** The drivers of this build. */
#include "../core/driver.h"

#ifdef COVET_HAVE_SQLITE
extern const covet_driver covet_sqlite_driver;
#endif
#ifdef COVET_HAVE_POSTGRESQL
extern const covet_driver covet_postgresql_driver;
#endif
#ifdef COVET_HAVE_MYSQL
extern const covet_driver covet_mysql_driver;
#endif

const covet_driver *const covet_drivers[] = {
#ifdef COVET_HAVE_SQLITE
    &covet_sqlite_driver,
#endif
#ifdef COVET_HAVE_POSTGRESQL
    &covet_postgresql_driver,
#endif
#ifdef COVET_HAVE_MYSQL
    &covet_mysql_driver,
#endif
    NULL};
