/** The packet that has a prepared statement executed, in the very bytes that libmariadb
 *  writes for the parameters of mysql_bind.c. */
#ifndef COVET_DRIVER_MYSQL_PACKET_H
#define COVET_DRIVER_MYSQL_PACKET_H

#include "../core/op.h"

/** Its bytes; 0: they are more than `most`, no more than 65,535, or a value is one that
 *  MySQL does not have. */
size_t my_packet_size(const covet_op *op, size_t most);

/** Write it for the statement of that number, where there is room for its size. */
void my_packet_write(unsigned char *at, size_t size, const covet_op *op,
                     unsigned long statement);

#endif
