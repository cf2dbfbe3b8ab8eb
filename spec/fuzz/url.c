/* Any text as a database URL: it is taken apart or refused with a reason. */
#include "url.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
  if (!truth) {
    abort();
  }
}

static void read_part(const char *part)
{
  require(part == NULL || strlen(part) < SIZE_MAX); /* ends with a NUL */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  covet_arena arena = {0};
  covet_error error;
  covet_url url;
  char *text = malloc(size + 1);
  int status;

  require(text != NULL);
  if (size > 0) {
    memcpy(text, data, size);
  }
  text[size] = '\0';
  memset(&error, 0, sizeof(error));
  status = covet_url_parse(text, &arena, &url, &error);
  require(status == 0 || status == COVET_EUSAGE);
  require((status == 0) == (error.kind == COVET_ERROR_NONE));
  if (status == 0) {
    require(url.scheme != NULL);
    read_part(url.scheme);
    read_part(url.user);
    read_part(url.password);
    read_part(url.host);
    read_part(url.port);
    read_part(url.path);
    for (size_t i = 0; i < url.option_count; i++) {
      read_part(url.options[i].name);
      read_part(url.options[i].value);
      require(url.options[i].name[0] != '\0');
    }
  } else {
    require(error.message[0] != '\0');
    require(memchr(error.message, '\0', sizeof(error.message)) != NULL);
  }
  covet_arena_deinit(&arena);
  free(text);
  return 0;
}
