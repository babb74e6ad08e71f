/* rtnetlink INTERFACE FIRST COUNT : puts COUNT addresses (/32) up, beginning with FIRST, by as few system calls as possible: the
 * floor for `live`. Every request is acknowledged and every answer looked at. */
#include <arpa/inet.h>
#include <err.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define AT_ONCE 256 /* so that all answers fit into the socket's buffer */

struct request {
	struct nlmsghdr head;
	struct ifaddrmsg body;
	struct rtattr local_head;
	struct in_addr local;
	struct rtattr address_head;
	struct in_addr address;
};

int main(int argc, char **argv)
{
	static struct request requests[AT_ONCE];
	static char answers[64 << 10];
	struct in_addr first;
	unsigned index, done = 0, count;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (argc != 4 || !inet_aton(argv[2], &first) || !(index = if_nametoindex(argv[1])))
		errx(2, "usage: rtnetlink INTERFACE FIRST COUNT");
	count = atoi(argv[3]);
	while (done < count) {
		unsigned n = count - done < AT_ONCE ? count - done : AT_ONCE, acknowledged = 0;

		for (unsigned i = 0; i < n; i++) {
			struct in_addr a = { htonl(ntohl(first.s_addr) + done + i) };

			requests[i] = (struct request) {
				{ sizeof *requests, RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, i + 1, 0 },
				{ AF_INET, 32, 0, RT_SCOPE_UNIVERSE, index },
				{ RTA_LENGTH(4), IFA_LOCAL }, a,
				{ RTA_LENGTH(4), IFA_ADDRESS }, a,
			};
		}
		if (send(fd, requests, n * sizeof *requests, 0) < 0)
			err(1, "sending");
		while (acknowledged < n) {
			int size = recv(fd, answers, sizeof answers, 0);

			if (size < 0)
				err(1, "receiving");
			for (struct nlmsghdr *h = (void *)answers; NLMSG_OK(h, size); h = NLMSG_NEXT(h, size)) {
				struct nlmsgerr *answer = NLMSG_DATA(h);

				if (h->nlmsg_type != NLMSG_ERROR || answer->error)
					errx(1, "refused: %s", strerror(-answer->error));
				acknowledged++;
			}
		}
		done += n;
	}
	return 0;
}
