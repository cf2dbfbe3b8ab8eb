/* Any text as an option: the first line is its name, the rest its value. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int status, covet_error *error)
{
  if ((status != 0 && status != COVET_EUSAGE && status != COVET_EUNSUPPORTED) ||
      (status != 0) != (error->kind != COVET_ERROR_NONE) ||
      (status != 0 && error->message[0] == '\0')) {
    abort();
  }
  memset(error, 0, sizeof(*error));
}

static void check_readers(const covet_option *option)
{
  static const char *const names[] = {"path", "readers", "journal_mode",
                                      "synchronous", NULL};
  covet_error error;
  uint64_t us = 0;
  int64_t whole = 0;
  bool truth = false;

  memset(&error, 0, sizeof(error));
  check(covet_option_boolean(option, &truth, &error), &error);
  check(covet_option_integer(option, -10, 1000, &whole, &error), &error);
  if (whole < -10 || whole > 1000) {
    abort();
  }
  check(covet_option_seconds(option, &us, &error), &error);
  if (us > UINT64_C(1000000000000000)) {
    abort();
  }
  check(covet_option_unknown(option->name, names, &error), &error);
}

/* Making an adapter reads all options and opens nothing. */
static void check_adapter(const covet_option *option)
{
  static covet_runtime *runtime;
  covet_adapter *adapter = NULL;
  covet_error error;

  memset(&error, 0, sizeof(error));
  if (runtime == NULL && covet_runtime_new(NULL, &runtime, &error) != 0) {
    abort();
  }
  check(covet_adapter_new(runtime, "sqlite::memory:", option, 1, &adapter,
                          &error),
        &error);
  covet_adapter_free(adapter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  char *text = malloc(size + 1);
  char *line;
  covet_option option;

  if (text == NULL) {
    abort();
  }
  if (size > 0) {
    memcpy(text, data, size);
  }
  text[size] = '\0';
  line = strchr(text, '\n');
  option.name = text;
  option.value = line == NULL ? "" : line + 1;
  if (line != NULL) {
    *line = '\0';
  }
  check_readers(&option);
  check_adapter(&option);
  free(text);
  return 0;
}
