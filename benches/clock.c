/* clock SECONDS OUTPUT ROOT COMMAND ARG.. : runs the command once, in ROOT if that is not "/", and prints what it took:
 * microseconds of wall clock, microseconds of CPU (user and system), KiB of peak RSS, exit code (124: more than SECONDS).
 * What the command prints goes to the file OUTPUT. Built statically, because a child's peak RSS begins with its parent's. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t child;
static volatile sig_atomic_t late;

static void on_alarm(int signal)
{
	(void)signal;
	late = 1;
	kill(-child, SIGKILL);
}

static long long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static long long micros(struct timeval t)
{
	return t.tv_sec * 1000000LL + t.tv_usec;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	long long start;
	int output, status, code;

	if (argc < 5) {
		fprintf(stderr, "usage: clock SECONDS OUTPUT ROOT COMMAND ARG..\n");
		return 2;
	}
	output = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (output < 0) {
		perror(argv[2]);
		return 2;
	}
	if (strcmp(argv[3], "/") && (chroot(argv[3]) || chdir("/"))) {
		perror(argv[3]);
		return 2;
	}
	start = now();
	child = fork();
	if (child == 0) {
		setpgid(0, 0);
		dup2(output, 1);
		dup2(output, 2);
		execvp(argv[4], argv + 4);
		perror(argv[4]);
		_exit(127);
	}
	setpgid(child, child);
	signal(SIGALRM, on_alarm);
	alarm(atoi(argv[1]));
	while (wait4(child, &status, 0, &usage) < 0)
		;
	start = now() - start;
	kill(-child, SIGKILL); /* what it left behind */
	code = late ? 124 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	printf("%lld %lld %ld %d\n", start, micros(usage.ru_utime) + micros(usage.ru_stime), usage.ru_maxrss, code);
	return 0;
}
