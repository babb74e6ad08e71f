/* floor OPERATIONS ROOT : carries out the operations that `durable` took from a trace of ipalias, and nothing else.
 * floor -1 FILE : the least for one file that survives a power cut, with a .bak (F1): both written, synced and renamed, and the
 * directory synced.
 * One operation a line: its name, a path below ROOT, and a number, or the second path and the flags of a renaming. */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static char bytes[16 << 20];

static void must(long result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
}

static void sync_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd, path);
	must(fsync(fd), path);
	close(fd);
}

static void write_synced(const char *path, long size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	must(fd, path);
	must(write(fd, bytes, size), path);
	must(fsync(fd), path);
	close(fd);
}

static int one_file(char *file)
{
	char temp[4096], temp_bak[4096], bak[4096];
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	long size;

	must(fd, file);
	size = read(fd, bytes, sizeof bytes);
	must(size, file);
	close(fd);
	snprintf(temp, sizeof temp, "%s.new", file);
	snprintf(temp_bak, sizeof temp_bak, "%s.bak.new", file);
	snprintf(bak, sizeof bak, "%s.bak", file);
	write_synced(temp_bak, size);
	write_synced(temp, size + 90);
	must(rename(temp_bak, bak), bak);
	must(rename(temp, file), file);
	sync_path(dirname(file));
	return 0;
}

int main(int argc, char **argv)
{
	char line[9000], name[32], path[4096], second[4096];
	long number;
	int fd = -1;
	FILE *operations;

	if (argc == 3 && !strcmp(argv[1], "-1"))
		return one_file(argv[2]);
	if (argc != 3 || !(operations = fopen(argv[1], "re")))
		errx(2, "usage: floor OPERATIONS ROOT");
	must(chdir(argv[2]), argv[2]);
	while (fgets(line, sizeof line, operations)) {
		if (sscanf(line, "rename %4095s %4095s %ld", path, second, &number) == 3) {
			must(renameat2(AT_FDCWD, path, AT_FDCWD, second, number), path);
			continue;
		}
		if (sscanf(line, "%31s %4095s %ld", name, path, &number) != 3)
			errx(2, "what is %s", line);
		if (!strcmp(name, "mkdir"))
			must(mkdir(path, number), path);
		else if (!strcmp(name, "chmod"))
			must(chmod(path, number), path);
		else if (!strcmp(name, "create") || !strcmp(name, "lock")) {
			if (fd >= 0 && strcmp(name, "lock"))
				close(fd);
			fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
			must(fd, path);
			if (!strcmp(name, "lock"))
				must(flock(fd, LOCK_EX | LOCK_NB), path);
		} else if (!strcmp(name, "truncate"))
			must(ftruncate(fd, number), path);
		else if (!strcmp(name, "write"))
			must(write(fd, bytes, number), path);
		else if (!strcmp(name, "touch"))
			must(futimens(fd, NULL), path);
		else if (!strcmp(name, "sync"))
			sync_path(path);
		else if (!strcmp(name, "unlink"))
			must(unlink(path), path);
		else
			errx(2, "what is %s", name);
	}
	return 0;
}
