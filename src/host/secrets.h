/**
 * Passwords in the command line, which every user of the machine can read.
 */
#ifndef COVET_HOST_SECRETS_H
#define COVET_HOST_SECRETS_H

/** Overwrite in place what `text` has between `:` and `@` of a URL, and the
 *  value of `password=`. Its length stays the same. */
void mask_secrets(char *text);

#endif
