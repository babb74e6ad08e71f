/* A stand-in for netsh.exe, which wine has only as an empty shell: it records its command line in C:\netsh.log and, unless
 * C:\netsh.deaf is there, does to the one interface of the namespace what Windows would do. Wine runs programs of the host.
 */
#include <stdio.h>
#include <string.h>
#include <windows.h>

static void host(const char *program, const char *words)
{
    char line[512];
    STARTUPINFOA start = { sizeof start };
    PROCESS_INFORMATION process;
    snprintf(line, sizeof line, "%s %s", program, words);
    if (CreateProcessA(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &start, &process))
        WaitForSingleObject(process.hProcess, 5000);
    else
        printf("error %lu\n", GetLastError());
}

static const char *value(int count, char **words, const char *key)
{
    size_t length = strlen(key);
    for (int i = 1; i < count; i++)
        if (!strncmp(words[i], key, length) && words[i][length] == '=')
            return words[i] + length + 1;
    return "";
}

int main(int count, char **words)
{
    char command[512];
    const char *verb = count > 3 ? words[3] : "", *address = value(count, words, "address");
    FILE *log = fopen("C:\\netsh.log", "ab");
    if (!log)
        return 1;
    for (int i = 1; i < count; i++)
        fprintf(log, "%s%s", words[i], i + 1 < count ? " " : "\n");
    fclose(log);
    if (!strcmp(verb, "dump")) {
        puts("pushd interface ipv4\n\nreset\nadd address name=\"eth0\" address=192.0.2.10 mask=255.255.255.0\npopd");
        return 0;
    }
    if (GetFileAttributesA("C:\\netsh.deaf") != INVALID_FILE_ATTRIBUTES || !*address)
        return 0;
    if (!strcmp(verb, "add")) {
        const char *mask = value(count, words, "mask");
        snprintf(command, sizeof command, "address add %s%s%s dev eth0%s", address, *mask ? "/" : "", mask, *mask ? "" : " nodad");
    } else
        snprintf(command, sizeof command, "address flush dev eth0 to %s", address);
    host("/sbin/ip", command);
    return 0;
}
