#include "support/support.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[96];

static int run(const char *format)
{
  char text[384];

  (void) snprintf(text, sizeof(text), format, folder);
  return system(text); /* NOLINT(cert-env33-c): of our own folder */
}

int unit_comma_locale(void)
{
  const char *base = getenv("TMPDIR");

  if (setlocale(LC_ALL, "de_DE.UTF-8") != NULL) {
    return 1;
  }
  (void) snprintf(folder, sizeof(folder), "%.60s/covet-unit-XXXXXX",
                  base == NULL ? "/tmp" : base);
  assert_non_null(mkdtemp(folder));
  (void) run("localedef -c -i de_DE -f UTF-8 '%s/de_DE.UTF-8' 2>/dev/null");
  assert_int_equal(setenv("LOCPATH", folder, 1), 0);
  if (setlocale(LC_ALL, "de_DE.UTF-8") != NULL) {
    return 1;
  }
  unit_plain_locale();
  return 0;
}

void unit_plain_locale(void)
{
  (void) setlocale(LC_ALL, "C");
  if (folder[0] != '\0') {
    (void) unsetenv("LOCPATH");
    (void) run("rm -rf '%s'");
    folder[0] = '\0';
  }
}
