/* Any text for the JSON reader: see lua_fuzz.h. What it reads comes back the same
 * when it is written and read again. */
#include "lua_fuzz.h"

static const char script[] =
    "local json, error_of = require 'covet.json', require 'covet.error'\n"
    "return function(text)\n"
    "  local ok, got = pcall(json.decode, text)\n"
    "  if not ok then\n"
    "    assert(error_of.is_error(got), got)\n"
    "    assert(got.kind == 'invalid_value' and got.position >= 1)\n"
    "    assert(got.position <= #text + 1)\n"
    "    return\n"
    "  end\n"
    "  local fine, first = pcall(json.encode, got)\n"
    "  if not fine then\n" /* bytes that are not UTF-8 go in, not out */
    "    assert(error_of.is_error(first), first)\n"
    "    return\n"
    "  end\n"
    "  local second = json.encode(json.decode(first))\n"
    "  assert(#first == #second, first)\n" /* keys may change places */
    "end\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  return fuzz_lua(script, data, size);
}
