/** The options of an adapter. */
#ifndef COVET_DRIVER_MYSQL_OPTIONS_H
#define COVET_DRIVER_MYSQL_OPTIONS_H

#include "../core/adapter.h"
#include "mysql_value.h"

typedef enum my_ssl {
  MY_SSL_ON, /* as the other options say; none is left when all have been read */
  MY_SSL_DISABLE,
  MY_SSL_REQUIRE,
  MY_SSL_VERIFY_CA,
  MY_SSL_VERIFY_FULL
} my_ssl;

/** How a list of rows is sent. */
typedef enum my_bulk {
  MY_BULK_AUTO,    /* as the server can */
  MY_BULK_REWRITE, /* as one INSERT of several rows */
  MY_BULK_OFF      /* row by row */
} my_bulk;

typedef struct my_options {
  /* texts in the adapter's arena; NULL: not given */
  const char *host;
  const char *user;
  const char *password;
  const char *database;
  const char *unix_socket;
  const char *charset;
  const char *init_command;
  const char *time_zone;
  const char *ssl_ca;
  const char *ssl_cert;
  const char *ssl_key;
  const char *ssl_crl;
  const char *ssl_cipher;
  const char *set_up; /* what each session is told first */
  unsigned port;
  my_ssl ssl;
  bool ssl_given;
  bool ssl_verify;
  bool ssl_verify_given;
  bool autocommit;
  bool found_rows;
  bool local_infile;
  bool threads; /* blocking calls in a thread of each connection */
  my_bulk bulk;
  bool pipeline;
  uint32_t pipeline_depth;
  my_zero_dates zero_dates;
  covet_pool_config pool;
  size_t cache_size;
  size_t cache_max_length;
  uint64_t cache_lifetime_us;
  uint64_t connect_timeout_us;
  uint64_t busy_poll_us; /* the longest spin; 0: none */
} my_options;

/** Read them: those of the URL, then those that are given. Texts are copied to the
 *  arena. Returns 0, or a negative status: `error` is set. */
int my_options_read(my_options *options, covet_arena *arena,
                    const covet_url *url, const covet_option *given,
                    size_t count, covet_error *error);

#endif
