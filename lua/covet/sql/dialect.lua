--- How the three databases differ in what the scanner must know.
--
-- A dialect has:
--
-- * `name`
-- * `quotes`: opening byte -> { closing character, what it is called, whether
--   a backslash escapes }
-- * `parameter`: prefix of the native numbered placeholder; nil where
--   placeholders only count (`?`)
-- * `identifier_quote`
-- * `control`: the words that begin or end a transaction besides the usual ones
-- * flags: `question`, `percent` (placeholders `?`, `%s` exist),
--   `dollar_quotes`, `nested_comments`, `hash_comments`, `executable_comments`
--   (`/*! code */`), `dash_needs_blank` (`--` starts a comment only before a
--   blank), `escape_strings` (E'' strings), `slices` (`a[1:n]`), `own_names`
--   (knows `:1`, `$name` and `@name` itself), `nested_blocks` (BEGIN within
--   BEGIN), `settable_mode` (SET changes whether a transaction only reads)
-- @module covet.sql.dialect

local STRING, IDENTIFIER = "string", "identifier"

return {
  sqlite = {
    name = "sqlite", parameter = "?", identifier_quote = '"',
    quotes = {
      ["'"] = { "'", STRING }, ['"'] = { '"', IDENTIFIER },
      ["`"] = { "`", IDENTIFIER }, ["["] = { "]", IDENTIFIER },
    },
    question = true, own_names = true, control = {},
  },
  postgresql = {
    name = "postgresql", parameter = "$", identifier_quote = '"',
    quotes = { ["'"] = { "'", STRING }, ['"'] = { '"', IDENTIFIER } },
    dollar_quotes = true, nested_comments = true, escape_strings = true,
    slices = true, nested_blocks = true, settable_mode = true,
    control = { START = true, ABORT = true },
  },
  -- As the server starts: ANSI_QUOTES and NO_BACKSLASH_ESCAPES are off.
  mysql = {
    name = "mysql", identifier_quote = "`",
    quotes = {
      ["'"] = { "'", STRING, true }, ['"'] = { '"', STRING, true },
      ["`"] = { "`", IDENTIFIER },
    },
    question = true, percent = true, hash_comments = true,
    dash_needs_blank = true, executable_comments = true, nested_blocks = true,
    settable_mode = true,
    control = { START = true },
  },
}
