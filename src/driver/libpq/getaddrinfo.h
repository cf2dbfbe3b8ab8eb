/* libpq-int.h includes a header of this name that libpq-dev does not have and
 * that declares nothing where the system has getaddrinfo. */
