/* A name server that takes its time: with this library preloaded the name
 * `slow.test` is looked up in SLOW_SECONDS, and is the loopback's. */
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

enum { SLOW_SECONDS = 1 };

typedef int look_up(const char *, const char *, const struct addrinfo *,
                    struct addrinfo **);

int getaddrinfo(const char *name, const char *service,
                const struct addrinfo *hints, struct addrinfo **found)
{
  void *pointer = dlsym(RTLD_NEXT, "getaddrinfo");
  look_up *real;

  memcpy(&real, &pointer, sizeof(real));
  if (name == NULL || strcmp(name, "slow.test") != 0) {
    return real(name, service, hints, found);
  }
  (void) sleep(SLOW_SECONDS);
  return real("127.0.0.1", service, hints, found);
}
