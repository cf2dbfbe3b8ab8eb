/* What a helper thread does for a connection: it connects, which resolves names,
 * shakes hands and hashes passwords inside one blocking call. The thread and the
 * loop have one half each; whoever comes last frees it. */
#include "mysql_errand.h"
#include "../core/error.h"
#include "mysql_connection.h"
#include "mysql_error.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

typedef struct whole_errand {
  my_errand base;
  covet_post post;
  uv_mutex_t lock;
  covet_runtime *runtime;
  my_connection *connection; /* NULL: let go */
  int socket;                /* -1: none yet */
  my_options options;        /* with texts of its own */
  char *texts;
} whole_errand;

enum {
/* Of each connection's calls. The sanitizers' frames are larger. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  STACK_SIZE = 1024 * 1024
#else
  STACK_SIZE = 64 * 1024
#endif
};

static whole_errand *whole(my_errand *errand)
{
  return (whole_errand *) (void *) errand;
}

const my_options *my_errand_options(my_errand *errand)
{
  return &whole(errand)->options;
}

void my_errand_free(my_errand *base)
{
  whole_errand *errand = whole(base);

  if (base->mysql != NULL) {
    mysql_close(base->mysql);
  }
  uv_mutex_destroy(&errand->lock);
  free(errand->texts);
  free(errand);
}

/* --- On the helper's thread ----------------------------------------------------------- */

static void run(void *argument)
{
  whole_errand *errand = argument;
  bool wanted;

  errand->base.task->work(&errand->base);
  uv_mutex_lock(&errand->lock);
  errand->socket = -1;
  wanted = errand->connection != NULL;
  if (wanted) {
    covet_runtime_post(errand->runtime, &errand->post);
  }
  uv_mutex_unlock(&errand->lock);
  if (!wanted) {
    my_errand_free(&errand->base);
  }
}

static void set_tls(MYSQL *mysql, const my_options *options)
{
  my_bool yes = 1;
  my_bool verify = (my_bool) (options->ssl == MY_SSL_VERIFY_FULL);

  if (options->ssl == MY_SSL_DISABLE) {
    return;
  }
  (void) mysql_ssl_set(mysql, options->ssl_key, options->ssl_cert,
                       options->ssl_ca, NULL, options->ssl_cipher);
  if (options->ssl_crl != NULL) {
    (void) mysql_options(mysql, MYSQL_OPT_SSL_CRL, options->ssl_crl);
  }
  (void) mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &yes);
  (void) mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
}

/* What shows a password to whoever listens goes through TLS only. */
static void set_authentication(MYSQL *mysql, const my_options *options)
{
  static const char hidden[] = "mysql_native_password,client_ed25519,"
                               "caching_sha2_password,sha256_password,"
                               "auth_gssapi_client,parsec";
  static const char all[] = "mysql_native_password,client_ed25519,"
                            "caching_sha2_password,sha256_password,"
                            "auth_gssapi_client,parsec,"
                            "mysql_clear_password,dialog";

  (void) mysql_options(mysql, MARIADB_OPT_RESTRICTED_AUTH,
                       options->ssl == MY_SSL_DISABLE ? hidden : all);
}

static void set_options(MYSQL *mysql, const my_options *options,
                        bool for_queries)
{
  unsigned seconds =
      (unsigned) ((options->connect_timeout_us + 999999) / 1000000);
  unsigned protocol =
      options->unix_socket == NULL ? MYSQL_PROTOCOL_TCP : MYSQL_PROTOCOL_SOCKET;
  unsigned infile = for_queries && options->local_infile;
  size_t packet = (size_t) 1 << 30; /* the server's own limit is looked at */

  if (seconds > 0) {
    (void) mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
  }
  (void) mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
  (void) mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &infile);
  (void) mysql_options(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
  (void) mysql_options(mysql, MYSQL_SET_CHARSET_NAME, options->charset);
  (void) mysql_optionsv(mysql, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name",
                        "covet");
  set_authentication(mysql, options);
  set_tls(mysql, options);
}

static void publish_socket(whole_errand *errand)
{
  uv_mutex_lock(&errand->lock);
  errand->socket = (int) mysql_get_socket(errand->base.mysql);
  if (errand->connection == NULL) { /* let go meanwhile */
    (void) shutdown(errand->socket, SHUT_RDWR);
  }
  uv_mutex_unlock(&errand->lock);
}

bool my_errand_connect(my_errand *base, bool for_queries)
{
  whole_errand *errand = whole(base);
  const my_options *options = &errand->options;
  unsigned long flags = CLIENT_MULTI_STATEMENTS | CLIENT_MULTI_RESULTS |
                        (options->found_rows ? CLIENT_FOUND_ROWS : 0);
  size_t stack = STACK_SIZE;
  bool by_socket = options->unix_socket != NULL;

  base->mysql = mysql_init(NULL);
  if (base->mysql == NULL) {
    covet_error_set(&base->error, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    return false;
  }
  my_infile_guard(base->mysql, NULL);
  set_options(base->mysql, options, for_queries);
  if (for_queries && !options->threads) {
    (void) mysql_options(base->mysql, MYSQL_OPT_NONBLOCK, &stack);
  }
  if (mysql_real_connect(base->mysql, by_socket ? NULL : options->host,
                         options->user, options->password,
                         for_queries ? options->database : NULL, options->port,
                         options->unix_socket, flags) == NULL) {
    my_error_open(&base->error, base->mysql, options);
    return false;
  }
  publish_socket(errand);
  return true;
}

/* --- On the loop's thread ---------------------------------------------------------------- */

static void on_ended(covet_post *post)
{
  whole_errand *errand = COVET_CONTAINER(post, whole_errand, post);
  my_connection *connection = errand->connection;

  uv_mutex_lock(&errand->lock); /* the thread has left it */
  uv_mutex_unlock(&errand->lock);
  if (connection == NULL) {
    my_errand_free(&errand->base);
  } else {
    errand->base.task->ended(connection, &errand->base);
  }
}

void my_errand_let_go(my_errand *base)
{
  whole_errand *errand = whole(base);

  uv_mutex_lock(&errand->lock);
  errand->connection = NULL; /* the thread, or its post, frees the rest */
  if (errand->socket >= 0) {
    (void) shutdown(errand->socket, SHUT_RDWR); /* ends what it waits for */
  }
  uv_mutex_unlock(&errand->lock);
}

/* The adapter's texts may go while the thread is at work. */
static bool copy_options(whole_errand *errand, const my_adapter *adapter)
{
  const char **texts[] = {
      &errand->options.host,         &errand->options.user,
      &errand->options.password,     &errand->options.database,
      &errand->options.unix_socket,  &errand->options.charset,
      &errand->options.init_command, &errand->options.time_zone,
      &errand->options.ssl_ca,       &errand->options.ssl_cert,
      &errand->options.ssl_key,      &errand->options.ssl_crl,
      &errand->options.ssl_cipher,   &errand->options.set_up};
  enum { COUNT = sizeof(texts) / sizeof(texts[0]) };
  size_t size = 0;
  char *to;

  errand->options = adapter->options;
  if (adapter->password != NULL) {
    errand->options.password = adapter->password;
  }
  for (size_t i = 0; i < COUNT; i++) {
    size += *texts[i] == NULL ? 0 : strlen(*texts[i]) + 1;
  }
  errand->texts = malloc(size);
  to = errand->texts;
  for (size_t i = 0; to != NULL && i < COUNT; i++) {
    if (*texts[i] != NULL) {
      size_t length = strlen(*texts[i]) + 1;

      *texts[i] = memcpy(to, *texts[i], length);
      to += length;
    }
  }
  return errand->texts != NULL;
}

static whole_errand *new_errand(my_connection *connection)
{
  whole_errand *errand = calloc(1, sizeof(*errand));

  if (errand == NULL) {
    return NULL;
  }
  if (!copy_options(errand, connection->adapter) ||
      uv_mutex_init(&errand->lock) != 0) {
    free(errand->texts);
    free(errand);
    return NULL;
  }
  errand->runtime = connection->runtime;
  errand->connection = connection;
  errand->socket = -1;
  errand->post.run = on_ended;
  return errand;
}

my_errand *my_errand_start(my_connection *connection, const my_task *task,
                           unsigned long victim)
{
  whole_errand *errand = new_errand(connection);
  uv_thread_t thread;

  if (errand == NULL) {
    return NULL;
  }
  errand->base.task = task;
  errand->base.victim = victim;
  errand->base.facts = connection->facts;
  if (uv_thread_create(&thread, run, errand) != 0) {
    my_errand_free(&errand->base);
    return NULL;
  }
  (void) pthread_detach(thread);
  return &errand->base;
}
