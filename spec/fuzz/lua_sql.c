/* Any text for the SQL scanner: see lua_fuzz.h. The first byte is the dialect. */
#include "lua_fuzz.h"

static const char script[] =
    "local sql, error_of = require 'covet.sql', require 'covet.error'\n"
    "local dialects = { 'sqlite', 'postgresql', 'mysql' }\n"
    "return function(text)\n"
    "  local dialect = dialects[(text:byte() or 0) % 3 + 1]\n"
    "  text = text:sub(2)\n"
    "  local ok, got = pcall(sql.parse, text, dialect)\n"
    "  if not ok then\n"
    "    assert(error_of.is_error(got), got)\n"
    "    assert(#tostring(got) > 0)\n"
    "    return\n"
    "  end\n"
    "  assert(type(got.text) == 'string' and got.count >= 0)\n"
    "  assert(got.statements >= 0)\n"
    "  assert(not got.names or #got.names == got.count)\n"
    "  if got.count == 0 and not got.text:find('%%', 1, true) then\n"
    "    local again = sql.parse(got.text, dialect)\n"
    "    assert(again.count == 0 and again.text == got.text)\n"
    "  end\n"
    "end\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  return fuzz_lua(script, data, size);
}
