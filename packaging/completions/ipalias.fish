# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_ipalias_global_optspecs
    string join \n n/dry-run detailed-exitcode root= i/interface= backend= apply= wait= ping-gateway ping-from-alias show-secrets json v/verbose q/quiet color= h/help V/version
end

function __fish_ipalias_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_ipalias_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_ipalias_using_subcommand
    set -l cmd (__fish_ipalias_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c ipalias -n "__fish_ipalias_needs_command" -l root -d 'Work on the system below DIR (a mounted disk)' -r -F
complete -c ipalias -n "__fish_ipalias_needs_command" -s i -l interface -d 'The interface, if not that of the default route' -r
complete -c ipalias -n "__fish_ipalias_needs_command" -l backend -d 'The system that manages the network, if detection is wrong' -r
complete -c ipalias -n "__fish_ipalias_needs_command" -l apply -d 'How the change is made effective' -r -f -a "auto\t'The smallest step that does it'
restart\t'The full restart that the guides give'
none\t'Not at all: files only'"
complete -c ipalias -n "__fish_ipalias_needs_command" -l wait -d 'Seconds to wait until the addresses are up' -r
complete -c ipalias -n "__fish_ipalias_needs_command" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CLICOLOR=0` or `TERM=dumb` is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c ipalias -n "__fish_ipalias_needs_command" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c ipalias -n "__fish_ipalias_needs_command" -l detailed-exitcode -d 'With --dry-run: exit with 10 if something would change'
complete -c ipalias -n "__fish_ipalias_needs_command" -l ping-gateway -d 'Afterwards, ping the gateway; no answer is a warning'
complete -c ipalias -n "__fish_ipalias_needs_command" -l ping-from-alias -d 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)'
complete -c ipalias -n "__fish_ipalias_needs_command" -l show-secrets -d 'Show the values of keys, passwords and PINs instead of hiding them'
complete -c ipalias -n "__fish_ipalias_needs_command" -l json -d 'Print JSON instead of text'
complete -c ipalias -n "__fish_ipalias_needs_command" -s v -l verbose -d 'Tell more (-vv: everything)'
complete -c ipalias -n "__fish_ipalias_needs_command" -s q -l quiet -d 'Print nothing but errors and warnings'
complete -c ipalias -n "__fish_ipalias_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ipalias -n "__fish_ipalias_needs_command" -s V -l version -d 'Print version'
complete -c ipalias -n "__fish_ipalias_needs_command" -f -a "add" -d 'Add addresses'
complete -c ipalias -n "__fish_ipalias_needs_command" -f -a "remove" -d 'Remove additional addresses'
complete -c ipalias -n "__fish_ipalias_needs_command" -f -a "rm" -d 'Remove additional addresses'
complete -c ipalias -n "__fish_ipalias_needs_command" -f -a "del" -d 'Remove additional addresses'
complete -c ipalias -n "__fish_ipalias_needs_command" -f -a "sync" -d 'Make the additional addresses exactly those of a file'
complete -c ipalias -n "__fish_ipalias_needs_command" -f -a "list" -d 'List every address, configured or up'
complete -c ipalias -n "__fish_ipalias_needs_command" -f -a "status" -d 'Show what ipalias sees and would do'
complete -c ipalias -n "__fish_ipalias_needs_command" -f -a "explain" -d 'Explain what would be written here, or on a named system, and why'
complete -c ipalias -n "__fish_ipalias_needs_command" -f -a "rollback" -d 'Take the latest change back; the same again redoes it'
complete -c ipalias -n "__fish_ipalias_needs_command" -f -a "confirm" -d 'Keep the change that was made with --confirm'
complete -c ipalias -n "__fish_ipalias_needs_command" -f -a "history" -d 'Show every change, and what became of it'
complete -c ipalias -n "__fish_ipalias_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -l block -d 'Every address of a block, each as /32 or /128' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -l from -d 'Read addresses from a file; - is standard input' -r -F
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -l confirm -d 'Take the change back unless `ipalias confirm` keeps it' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -l label -d 'The label of the address, such as eth0:1' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -l root -d 'Work on the system below DIR (a mounted disk)' -r -F
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -s i -l interface -d 'The interface, if not that of the default route' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -l backend -d 'The system that manages the network, if detection is wrong' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -l apply -d 'How the change is made effective' -r -f -a "auto\t'The smallest step that does it'
restart\t'The full restart that the guides give'
none\t'Not at all: files only'"
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -l wait -d 'Seconds to wait until the addresses are up' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CLICOLOR=0` or `TERM=dumb` is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -l panel-api -d 'cPanel: have WHM do it (whmapi1, one call for each address) instead of editing its files'
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -l static -d 'Windows: switch an interface from DHCP to static addresses, with the values of its lease'
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -l in-place -d 'netplan: edit the file that configures the interface, instead of an own file beside it'
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -l force -d 'Even if the address is in use elsewhere'
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -l no-announce -d 'Do not tell the neighbours that the address is here now (gratuitous ARP, unsolicited neighbour advertisement)'
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -l disable-cloud-init-network -d 'Also keep cloud-init from writing the network\'s files again (99-disable-network-config.cfg)'
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -l preferred -d 'Let outgoing IPv6 connections use the new address as their source'
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -l detailed-exitcode -d 'With --dry-run: exit with 10 if something would change'
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -l ping-gateway -d 'Afterwards, ping the gateway; no answer is a warning'
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -l ping-from-alias -d 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)'
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -l show-secrets -d 'Show the values of keys, passwords and PINs instead of hiding them'
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -l json -d 'Print JSON instead of text'
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -s v -l verbose -d 'Tell more (-vv: everything)'
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -s q -l quiet -d 'Print nothing but errors and warnings'
complete -c ipalias -n "__fish_ipalias_using_subcommand add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ipalias -n "__fish_ipalias_using_subcommand remove" -l block -d 'Every address of a block, each as /32 or /128' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand remove" -l from -d 'Read addresses from a file; - is standard input' -r -F
complete -c ipalias -n "__fish_ipalias_using_subcommand remove" -l confirm -d 'Take the change back unless `ipalias confirm` keeps it' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand remove" -l root -d 'Work on the system below DIR (a mounted disk)' -r -F
complete -c ipalias -n "__fish_ipalias_using_subcommand remove" -s i -l interface -d 'The interface, if not that of the default route' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand remove" -l backend -d 'The system that manages the network, if detection is wrong' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand remove" -l apply -d 'How the change is made effective' -r -f -a "auto\t'The smallest step that does it'
restart\t'The full restart that the guides give'
none\t'Not at all: files only'"
complete -c ipalias -n "__fish_ipalias_using_subcommand remove" -l wait -d 'Seconds to wait until the addresses are up' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand remove" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CLICOLOR=0` or `TERM=dumb` is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c ipalias -n "__fish_ipalias_using_subcommand remove" -l panel-api -d 'cPanel: have WHM do it (whmapi1, one call for each address) instead of editing its files'
complete -c ipalias -n "__fish_ipalias_using_subcommand remove" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c ipalias -n "__fish_ipalias_using_subcommand remove" -l detailed-exitcode -d 'With --dry-run: exit with 10 if something would change'
complete -c ipalias -n "__fish_ipalias_using_subcommand remove" -l ping-gateway -d 'Afterwards, ping the gateway; no answer is a warning'
complete -c ipalias -n "__fish_ipalias_using_subcommand remove" -l ping-from-alias -d 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)'
complete -c ipalias -n "__fish_ipalias_using_subcommand remove" -l show-secrets -d 'Show the values of keys, passwords and PINs instead of hiding them'
complete -c ipalias -n "__fish_ipalias_using_subcommand remove" -l json -d 'Print JSON instead of text'
complete -c ipalias -n "__fish_ipalias_using_subcommand remove" -s v -l verbose -d 'Tell more (-vv: everything)'
complete -c ipalias -n "__fish_ipalias_using_subcommand remove" -s q -l quiet -d 'Print nothing but errors and warnings'
complete -c ipalias -n "__fish_ipalias_using_subcommand remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ipalias -n "__fish_ipalias_using_subcommand rm" -l block -d 'Every address of a block, each as /32 or /128' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand rm" -l from -d 'Read addresses from a file; - is standard input' -r -F
complete -c ipalias -n "__fish_ipalias_using_subcommand rm" -l confirm -d 'Take the change back unless `ipalias confirm` keeps it' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand rm" -l root -d 'Work on the system below DIR (a mounted disk)' -r -F
complete -c ipalias -n "__fish_ipalias_using_subcommand rm" -s i -l interface -d 'The interface, if not that of the default route' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand rm" -l backend -d 'The system that manages the network, if detection is wrong' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand rm" -l apply -d 'How the change is made effective' -r -f -a "auto\t'The smallest step that does it'
restart\t'The full restart that the guides give'
none\t'Not at all: files only'"
complete -c ipalias -n "__fish_ipalias_using_subcommand rm" -l wait -d 'Seconds to wait until the addresses are up' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand rm" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CLICOLOR=0` or `TERM=dumb` is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c ipalias -n "__fish_ipalias_using_subcommand rm" -l panel-api -d 'cPanel: have WHM do it (whmapi1, one call for each address) instead of editing its files'
complete -c ipalias -n "__fish_ipalias_using_subcommand rm" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c ipalias -n "__fish_ipalias_using_subcommand rm" -l detailed-exitcode -d 'With --dry-run: exit with 10 if something would change'
complete -c ipalias -n "__fish_ipalias_using_subcommand rm" -l ping-gateway -d 'Afterwards, ping the gateway; no answer is a warning'
complete -c ipalias -n "__fish_ipalias_using_subcommand rm" -l ping-from-alias -d 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)'
complete -c ipalias -n "__fish_ipalias_using_subcommand rm" -l show-secrets -d 'Show the values of keys, passwords and PINs instead of hiding them'
complete -c ipalias -n "__fish_ipalias_using_subcommand rm" -l json -d 'Print JSON instead of text'
complete -c ipalias -n "__fish_ipalias_using_subcommand rm" -s v -l verbose -d 'Tell more (-vv: everything)'
complete -c ipalias -n "__fish_ipalias_using_subcommand rm" -s q -l quiet -d 'Print nothing but errors and warnings'
complete -c ipalias -n "__fish_ipalias_using_subcommand rm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ipalias -n "__fish_ipalias_using_subcommand del" -l block -d 'Every address of a block, each as /32 or /128' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand del" -l from -d 'Read addresses from a file; - is standard input' -r -F
complete -c ipalias -n "__fish_ipalias_using_subcommand del" -l confirm -d 'Take the change back unless `ipalias confirm` keeps it' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand del" -l root -d 'Work on the system below DIR (a mounted disk)' -r -F
complete -c ipalias -n "__fish_ipalias_using_subcommand del" -s i -l interface -d 'The interface, if not that of the default route' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand del" -l backend -d 'The system that manages the network, if detection is wrong' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand del" -l apply -d 'How the change is made effective' -r -f -a "auto\t'The smallest step that does it'
restart\t'The full restart that the guides give'
none\t'Not at all: files only'"
complete -c ipalias -n "__fish_ipalias_using_subcommand del" -l wait -d 'Seconds to wait until the addresses are up' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand del" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CLICOLOR=0` or `TERM=dumb` is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c ipalias -n "__fish_ipalias_using_subcommand del" -l panel-api -d 'cPanel: have WHM do it (whmapi1, one call for each address) instead of editing its files'
complete -c ipalias -n "__fish_ipalias_using_subcommand del" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c ipalias -n "__fish_ipalias_using_subcommand del" -l detailed-exitcode -d 'With --dry-run: exit with 10 if something would change'
complete -c ipalias -n "__fish_ipalias_using_subcommand del" -l ping-gateway -d 'Afterwards, ping the gateway; no answer is a warning'
complete -c ipalias -n "__fish_ipalias_using_subcommand del" -l ping-from-alias -d 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)'
complete -c ipalias -n "__fish_ipalias_using_subcommand del" -l show-secrets -d 'Show the values of keys, passwords and PINs instead of hiding them'
complete -c ipalias -n "__fish_ipalias_using_subcommand del" -l json -d 'Print JSON instead of text'
complete -c ipalias -n "__fish_ipalias_using_subcommand del" -s v -l verbose -d 'Tell more (-vv: everything)'
complete -c ipalias -n "__fish_ipalias_using_subcommand del" -s q -l quiet -d 'Print nothing but errors and warnings'
complete -c ipalias -n "__fish_ipalias_using_subcommand del" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -l confirm -d 'Take the change back unless `ipalias confirm` keeps it' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -l root -d 'Work on the system below DIR (a mounted disk)' -r -F
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -s i -l interface -d 'The interface, if not that of the default route' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -l backend -d 'The system that manages the network, if detection is wrong' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -l apply -d 'How the change is made effective' -r -f -a "auto\t'The smallest step that does it'
restart\t'The full restart that the guides give'
none\t'Not at all: files only'"
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -l wait -d 'Seconds to wait until the addresses are up' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CLICOLOR=0` or `TERM=dumb` is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -l merge -d 'Only add; remove nothing'
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -l allow-empty -d 'Even if a list is empty'
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -l panel-api -d 'cPanel: have WHM do it (whmapi1, one call for each address) instead of editing its files'
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -l static -d 'Windows: switch an interface from DHCP to static addresses, with the values of its lease'
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -l in-place -d 'netplan: edit the file that configures the interface, instead of an own file beside it'
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -l force -d 'Even if the address is in use elsewhere'
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -l no-announce -d 'Do not tell the neighbours that the address is here now (gratuitous ARP, unsolicited neighbour advertisement)'
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -l disable-cloud-init-network -d 'Also keep cloud-init from writing the network\'s files again (99-disable-network-config.cfg)'
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -l detailed-exitcode -d 'With --dry-run: exit with 10 if something would change'
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -l ping-gateway -d 'Afterwards, ping the gateway; no answer is a warning'
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -l ping-from-alias -d 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)'
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -l show-secrets -d 'Show the values of keys, passwords and PINs instead of hiding them'
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -l json -d 'Print JSON instead of text'
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -s v -l verbose -d 'Tell more (-vv: everything)'
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -s q -l quiet -d 'Print nothing but errors and warnings'
complete -c ipalias -n "__fish_ipalias_using_subcommand sync" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ipalias -n "__fish_ipalias_using_subcommand list" -l root -d 'Work on the system below DIR (a mounted disk)' -r -F
complete -c ipalias -n "__fish_ipalias_using_subcommand list" -s i -l interface -d 'The interface, if not that of the default route' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand list" -l backend -d 'The system that manages the network, if detection is wrong' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand list" -l apply -d 'How the change is made effective' -r -f -a "auto\t'The smallest step that does it'
restart\t'The full restart that the guides give'
none\t'Not at all: files only'"
complete -c ipalias -n "__fish_ipalias_using_subcommand list" -l wait -d 'Seconds to wait until the addresses are up' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand list" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CLICOLOR=0` or `TERM=dumb` is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c ipalias -n "__fish_ipalias_using_subcommand list" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c ipalias -n "__fish_ipalias_using_subcommand list" -l detailed-exitcode -d 'With --dry-run: exit with 10 if something would change'
complete -c ipalias -n "__fish_ipalias_using_subcommand list" -l ping-gateway -d 'Afterwards, ping the gateway; no answer is a warning'
complete -c ipalias -n "__fish_ipalias_using_subcommand list" -l ping-from-alias -d 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)'
complete -c ipalias -n "__fish_ipalias_using_subcommand list" -l show-secrets -d 'Show the values of keys, passwords and PINs instead of hiding them'
complete -c ipalias -n "__fish_ipalias_using_subcommand list" -l json -d 'Print JSON instead of text'
complete -c ipalias -n "__fish_ipalias_using_subcommand list" -s v -l verbose -d 'Tell more (-vv: everything)'
complete -c ipalias -n "__fish_ipalias_using_subcommand list" -s q -l quiet -d 'Print nothing but errors and warnings'
complete -c ipalias -n "__fish_ipalias_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ipalias -n "__fish_ipalias_using_subcommand status" -l root -d 'Work on the system below DIR (a mounted disk)' -r -F
complete -c ipalias -n "__fish_ipalias_using_subcommand status" -s i -l interface -d 'The interface, if not that of the default route' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand status" -l backend -d 'The system that manages the network, if detection is wrong' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand status" -l apply -d 'How the change is made effective' -r -f -a "auto\t'The smallest step that does it'
restart\t'The full restart that the guides give'
none\t'Not at all: files only'"
complete -c ipalias -n "__fish_ipalias_using_subcommand status" -l wait -d 'Seconds to wait until the addresses are up' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand status" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CLICOLOR=0` or `TERM=dumb` is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c ipalias -n "__fish_ipalias_using_subcommand status" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c ipalias -n "__fish_ipalias_using_subcommand status" -l detailed-exitcode -d 'With --dry-run: exit with 10 if something would change'
complete -c ipalias -n "__fish_ipalias_using_subcommand status" -l ping-gateway -d 'Afterwards, ping the gateway; no answer is a warning'
complete -c ipalias -n "__fish_ipalias_using_subcommand status" -l ping-from-alias -d 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)'
complete -c ipalias -n "__fish_ipalias_using_subcommand status" -l show-secrets -d 'Show the values of keys, passwords and PINs instead of hiding them'
complete -c ipalias -n "__fish_ipalias_using_subcommand status" -l json -d 'Print JSON instead of text'
complete -c ipalias -n "__fish_ipalias_using_subcommand status" -s v -l verbose -d 'Tell more (-vv: everything)'
complete -c ipalias -n "__fish_ipalias_using_subcommand status" -s q -l quiet -d 'Print nothing but errors and warnings'
complete -c ipalias -n "__fish_ipalias_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ipalias -n "__fish_ipalias_using_subcommand explain" -l root -d 'Work on the system below DIR (a mounted disk)' -r -F
complete -c ipalias -n "__fish_ipalias_using_subcommand explain" -s i -l interface -d 'The interface, if not that of the default route' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand explain" -l backend -d 'The system that manages the network, if detection is wrong' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand explain" -l apply -d 'How the change is made effective' -r -f -a "auto\t'The smallest step that does it'
restart\t'The full restart that the guides give'
none\t'Not at all: files only'"
complete -c ipalias -n "__fish_ipalias_using_subcommand explain" -l wait -d 'Seconds to wait until the addresses are up' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand explain" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CLICOLOR=0` or `TERM=dumb` is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c ipalias -n "__fish_ipalias_using_subcommand explain" -l list -d 'List the names of the systems'
complete -c ipalias -n "__fish_ipalias_using_subcommand explain" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c ipalias -n "__fish_ipalias_using_subcommand explain" -l detailed-exitcode -d 'With --dry-run: exit with 10 if something would change'
complete -c ipalias -n "__fish_ipalias_using_subcommand explain" -l ping-gateway -d 'Afterwards, ping the gateway; no answer is a warning'
complete -c ipalias -n "__fish_ipalias_using_subcommand explain" -l ping-from-alias -d 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)'
complete -c ipalias -n "__fish_ipalias_using_subcommand explain" -l show-secrets -d 'Show the values of keys, passwords and PINs instead of hiding them'
complete -c ipalias -n "__fish_ipalias_using_subcommand explain" -l json -d 'Print JSON instead of text'
complete -c ipalias -n "__fish_ipalias_using_subcommand explain" -s v -l verbose -d 'Tell more (-vv: everything)'
complete -c ipalias -n "__fish_ipalias_using_subcommand explain" -s q -l quiet -d 'Print nothing but errors and warnings'
complete -c ipalias -n "__fish_ipalias_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ipalias -n "__fish_ipalias_using_subcommand rollback" -l to -d 'Take back this operation and all after it' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand rollback" -l confirm -d 'Take the change back unless `ipalias confirm` keeps it' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand rollback" -l root -d 'Work on the system below DIR (a mounted disk)' -r -F
complete -c ipalias -n "__fish_ipalias_using_subcommand rollback" -s i -l interface -d 'The interface, if not that of the default route' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand rollback" -l backend -d 'The system that manages the network, if detection is wrong' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand rollback" -l apply -d 'How the change is made effective' -r -f -a "auto\t'The smallest step that does it'
restart\t'The full restart that the guides give'
none\t'Not at all: files only'"
complete -c ipalias -n "__fish_ipalias_using_subcommand rollback" -l wait -d 'Seconds to wait until the addresses are up' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand rollback" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CLICOLOR=0` or `TERM=dumb` is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c ipalias -n "__fish_ipalias_using_subcommand rollback" -l list -d 'The same as `ipalias history`'
complete -c ipalias -n "__fish_ipalias_using_subcommand rollback" -l force -d 'Even if a file was changed since, or the primary address would change'
complete -c ipalias -n "__fish_ipalias_using_subcommand rollback" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c ipalias -n "__fish_ipalias_using_subcommand rollback" -l detailed-exitcode -d 'With --dry-run: exit with 10 if something would change'
complete -c ipalias -n "__fish_ipalias_using_subcommand rollback" -l ping-gateway -d 'Afterwards, ping the gateway; no answer is a warning'
complete -c ipalias -n "__fish_ipalias_using_subcommand rollback" -l ping-from-alias -d 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)'
complete -c ipalias -n "__fish_ipalias_using_subcommand rollback" -l show-secrets -d 'Show the values of keys, passwords and PINs instead of hiding them'
complete -c ipalias -n "__fish_ipalias_using_subcommand rollback" -l json -d 'Print JSON instead of text'
complete -c ipalias -n "__fish_ipalias_using_subcommand rollback" -s v -l verbose -d 'Tell more (-vv: everything)'
complete -c ipalias -n "__fish_ipalias_using_subcommand rollback" -s q -l quiet -d 'Print nothing but errors and warnings'
complete -c ipalias -n "__fish_ipalias_using_subcommand rollback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ipalias -n "__fish_ipalias_using_subcommand confirm" -l root -d 'Work on the system below DIR (a mounted disk)' -r -F
complete -c ipalias -n "__fish_ipalias_using_subcommand confirm" -s i -l interface -d 'The interface, if not that of the default route' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand confirm" -l backend -d 'The system that manages the network, if detection is wrong' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand confirm" -l apply -d 'How the change is made effective' -r -f -a "auto\t'The smallest step that does it'
restart\t'The full restart that the guides give'
none\t'Not at all: files only'"
complete -c ipalias -n "__fish_ipalias_using_subcommand confirm" -l wait -d 'Seconds to wait until the addresses are up' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand confirm" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CLICOLOR=0` or `TERM=dumb` is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c ipalias -n "__fish_ipalias_using_subcommand confirm" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c ipalias -n "__fish_ipalias_using_subcommand confirm" -l detailed-exitcode -d 'With --dry-run: exit with 10 if something would change'
complete -c ipalias -n "__fish_ipalias_using_subcommand confirm" -l ping-gateway -d 'Afterwards, ping the gateway; no answer is a warning'
complete -c ipalias -n "__fish_ipalias_using_subcommand confirm" -l ping-from-alias -d 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)'
complete -c ipalias -n "__fish_ipalias_using_subcommand confirm" -l show-secrets -d 'Show the values of keys, passwords and PINs instead of hiding them'
complete -c ipalias -n "__fish_ipalias_using_subcommand confirm" -l json -d 'Print JSON instead of text'
complete -c ipalias -n "__fish_ipalias_using_subcommand confirm" -s v -l verbose -d 'Tell more (-vv: everything)'
complete -c ipalias -n "__fish_ipalias_using_subcommand confirm" -s q -l quiet -d 'Print nothing but errors and warnings'
complete -c ipalias -n "__fish_ipalias_using_subcommand confirm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ipalias -n "__fish_ipalias_using_subcommand history" -l root -d 'Work on the system below DIR (a mounted disk)' -r -F
complete -c ipalias -n "__fish_ipalias_using_subcommand history" -s i -l interface -d 'The interface, if not that of the default route' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand history" -l backend -d 'The system that manages the network, if detection is wrong' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand history" -l apply -d 'How the change is made effective' -r -f -a "auto\t'The smallest step that does it'
restart\t'The full restart that the guides give'
none\t'Not at all: files only'"
complete -c ipalias -n "__fish_ipalias_using_subcommand history" -l wait -d 'Seconds to wait until the addresses are up' -r
complete -c ipalias -n "__fish_ipalias_using_subcommand history" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CLICOLOR=0` or `TERM=dumb` is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c ipalias -n "__fish_ipalias_using_subcommand history" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c ipalias -n "__fish_ipalias_using_subcommand history" -l detailed-exitcode -d 'With --dry-run: exit with 10 if something would change'
complete -c ipalias -n "__fish_ipalias_using_subcommand history" -l ping-gateway -d 'Afterwards, ping the gateway; no answer is a warning'
complete -c ipalias -n "__fish_ipalias_using_subcommand history" -l ping-from-alias -d 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)'
complete -c ipalias -n "__fish_ipalias_using_subcommand history" -l show-secrets -d 'Show the values of keys, passwords and PINs instead of hiding them'
complete -c ipalias -n "__fish_ipalias_using_subcommand history" -l json -d 'Print JSON instead of text'
complete -c ipalias -n "__fish_ipalias_using_subcommand history" -s v -l verbose -d 'Tell more (-vv: everything)'
complete -c ipalias -n "__fish_ipalias_using_subcommand history" -s q -l quiet -d 'Print nothing but errors and warnings'
complete -c ipalias -n "__fish_ipalias_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ipalias -n "__fish_ipalias_using_subcommand help; and not __fish_seen_subcommand_from add remove sync list status explain rollback confirm history help" -f -a "add" -d 'Add addresses'
complete -c ipalias -n "__fish_ipalias_using_subcommand help; and not __fish_seen_subcommand_from add remove sync list status explain rollback confirm history help" -f -a "remove" -d 'Remove additional addresses'
complete -c ipalias -n "__fish_ipalias_using_subcommand help; and not __fish_seen_subcommand_from add remove sync list status explain rollback confirm history help" -f -a "sync" -d 'Make the additional addresses exactly those of a file'
complete -c ipalias -n "__fish_ipalias_using_subcommand help; and not __fish_seen_subcommand_from add remove sync list status explain rollback confirm history help" -f -a "list" -d 'List every address, configured or up'
complete -c ipalias -n "__fish_ipalias_using_subcommand help; and not __fish_seen_subcommand_from add remove sync list status explain rollback confirm history help" -f -a "status" -d 'Show what ipalias sees and would do'
complete -c ipalias -n "__fish_ipalias_using_subcommand help; and not __fish_seen_subcommand_from add remove sync list status explain rollback confirm history help" -f -a "explain" -d 'Explain what would be written here, or on a named system, and why'
complete -c ipalias -n "__fish_ipalias_using_subcommand help; and not __fish_seen_subcommand_from add remove sync list status explain rollback confirm history help" -f -a "rollback" -d 'Take the latest change back; the same again redoes it'
complete -c ipalias -n "__fish_ipalias_using_subcommand help; and not __fish_seen_subcommand_from add remove sync list status explain rollback confirm history help" -f -a "confirm" -d 'Keep the change that was made with --confirm'
complete -c ipalias -n "__fish_ipalias_using_subcommand help; and not __fish_seen_subcommand_from add remove sync list status explain rollback confirm history help" -f -a "history" -d 'Show every change, and what became of it'
complete -c ipalias -n "__fish_ipalias_using_subcommand help; and not __fish_seen_subcommand_from add remove sync list status explain rollback confirm history help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
