/* LD_PRELOAD shim: a bind() to the wildcard address becomes one to loopback.
 *
 * The Hive 3.1 metastore listens on every interface and has no setting for it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
    static int (*next_bind)(int, const struct sockaddr *, socklen_t);
    struct sockaddr_storage copy;

    if (!next_bind)
        next_bind = dlsym(RTLD_NEXT, "bind");
    if (!address || length > sizeof copy)
        return next_bind(fd, address, length);
    memcpy(&copy, address, length);

    if (address->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&copy;
        if (v4->sin_addr.s_addr == htonl(INADDR_ANY))
            v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else if (address->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&copy;
        if (IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))
            inet_pton(AF_INET6, "::ffff:127.0.0.1", &v6->sin6_addr);
    }
    return next_bind(fd, (struct sockaddr *)&copy, length);
}
