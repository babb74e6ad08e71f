
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'ipalias' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'ipalias'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'ipalias' {
            [CompletionResult]::new('--root', '--root', [CompletionResultType]::ParameterName, 'Work on the system below DIR (a mounted disk)')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--interface', '--interface', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--backend', '--backend', [CompletionResultType]::ParameterName, 'The system that manages the network, if detection is wrong')
            [CompletionResult]::new('--apply', '--apply', [CompletionResultType]::ParameterName, 'How the change is made effective')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Seconds to wait until the addresses are up')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colour')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--detailed-exitcode', '--detailed-exitcode', [CompletionResultType]::ParameterName, 'With --dry-run: exit with 10 if something would change')
            [CompletionResult]::new('--ping-gateway', '--ping-gateway', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway; no answer is a warning')
            [CompletionResult]::new('--ping-from-alias', '--ping-from-alias', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)')
            [CompletionResult]::new('--show-secrets', '--show-secrets', [CompletionResultType]::ParameterName, 'Show the values of keys, passwords and PINs instead of hiding them')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON instead of text')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Add addresses')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Remove additional addresses')
            [CompletionResult]::new('rm', 'rm', [CompletionResultType]::ParameterValue, 'Remove additional addresses')
            [CompletionResult]::new('del', 'del', [CompletionResultType]::ParameterValue, 'Remove additional addresses')
            [CompletionResult]::new('sync', 'sync', [CompletionResultType]::ParameterValue, 'Make the additional addresses exactly those of a file')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List every address, configured or up')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show what ipalias sees and would do')
            [CompletionResult]::new('explain', 'explain', [CompletionResultType]::ParameterValue, 'Explain what would be written here, or on a named system, and why')
            [CompletionResult]::new('rollback', 'rollback', [CompletionResultType]::ParameterValue, 'Take the latest change back; the same again redoes it')
            [CompletionResult]::new('confirm', 'confirm', [CompletionResultType]::ParameterValue, 'Keep the change that was made with --confirm')
            [CompletionResult]::new('history', 'history', [CompletionResultType]::ParameterValue, 'Show every change, and what became of it')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ipalias;add' {
            [CompletionResult]::new('--block', '--block', [CompletionResultType]::ParameterName, 'Every address of a block, each as /32 or /128')
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Read addresses from a file; - is standard input')
            [CompletionResult]::new('--confirm', '--confirm', [CompletionResultType]::ParameterName, 'Take the change back unless `ipalias confirm` keeps it')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'The label of the address, such as eth0:1')
            [CompletionResult]::new('--root', '--root', [CompletionResultType]::ParameterName, 'Work on the system below DIR (a mounted disk)')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--interface', '--interface', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--backend', '--backend', [CompletionResultType]::ParameterName, 'The system that manages the network, if detection is wrong')
            [CompletionResult]::new('--apply', '--apply', [CompletionResultType]::ParameterName, 'How the change is made effective')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Seconds to wait until the addresses are up')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colour')
            [CompletionResult]::new('--panel-api', '--panel-api', [CompletionResultType]::ParameterName, 'cPanel: have WHM do it (whmapi1, one call for each address) instead of editing its files')
            [CompletionResult]::new('--static', '--static', [CompletionResultType]::ParameterName, 'Windows: switch an interface from DHCP to static addresses, with the values of its lease')
            [CompletionResult]::new('--in-place', '--in-place', [CompletionResultType]::ParameterName, 'netplan: edit the file that configures the interface, instead of an own file beside it')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Even if the address is in use elsewhere')
            [CompletionResult]::new('--no-announce', '--no-announce', [CompletionResultType]::ParameterName, 'Do not tell the neighbours that the address is here now (gratuitous ARP, unsolicited neighbour advertisement)')
            [CompletionResult]::new('--disable-cloud-init-network', '--disable-cloud-init-network', [CompletionResultType]::ParameterName, 'Also keep cloud-init from writing the network''s files again (99-disable-network-config.cfg)')
            [CompletionResult]::new('--preferred', '--preferred', [CompletionResultType]::ParameterName, 'Let outgoing IPv6 connections use the new address as their source')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--detailed-exitcode', '--detailed-exitcode', [CompletionResultType]::ParameterName, 'With --dry-run: exit with 10 if something would change')
            [CompletionResult]::new('--ping-gateway', '--ping-gateway', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway; no answer is a warning')
            [CompletionResult]::new('--ping-from-alias', '--ping-from-alias', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)')
            [CompletionResult]::new('--show-secrets', '--show-secrets', [CompletionResultType]::ParameterName, 'Show the values of keys, passwords and PINs instead of hiding them')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON instead of text')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ipalias;remove' {
            [CompletionResult]::new('--block', '--block', [CompletionResultType]::ParameterName, 'Every address of a block, each as /32 or /128')
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Read addresses from a file; - is standard input')
            [CompletionResult]::new('--confirm', '--confirm', [CompletionResultType]::ParameterName, 'Take the change back unless `ipalias confirm` keeps it')
            [CompletionResult]::new('--root', '--root', [CompletionResultType]::ParameterName, 'Work on the system below DIR (a mounted disk)')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--interface', '--interface', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--backend', '--backend', [CompletionResultType]::ParameterName, 'The system that manages the network, if detection is wrong')
            [CompletionResult]::new('--apply', '--apply', [CompletionResultType]::ParameterName, 'How the change is made effective')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Seconds to wait until the addresses are up')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colour')
            [CompletionResult]::new('--panel-api', '--panel-api', [CompletionResultType]::ParameterName, 'cPanel: have WHM do it (whmapi1, one call for each address) instead of editing its files')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--detailed-exitcode', '--detailed-exitcode', [CompletionResultType]::ParameterName, 'With --dry-run: exit with 10 if something would change')
            [CompletionResult]::new('--ping-gateway', '--ping-gateway', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway; no answer is a warning')
            [CompletionResult]::new('--ping-from-alias', '--ping-from-alias', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)')
            [CompletionResult]::new('--show-secrets', '--show-secrets', [CompletionResultType]::ParameterName, 'Show the values of keys, passwords and PINs instead of hiding them')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON instead of text')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ipalias;rm' {
            [CompletionResult]::new('--block', '--block', [CompletionResultType]::ParameterName, 'Every address of a block, each as /32 or /128')
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Read addresses from a file; - is standard input')
            [CompletionResult]::new('--confirm', '--confirm', [CompletionResultType]::ParameterName, 'Take the change back unless `ipalias confirm` keeps it')
            [CompletionResult]::new('--root', '--root', [CompletionResultType]::ParameterName, 'Work on the system below DIR (a mounted disk)')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--interface', '--interface', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--backend', '--backend', [CompletionResultType]::ParameterName, 'The system that manages the network, if detection is wrong')
            [CompletionResult]::new('--apply', '--apply', [CompletionResultType]::ParameterName, 'How the change is made effective')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Seconds to wait until the addresses are up')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colour')
            [CompletionResult]::new('--panel-api', '--panel-api', [CompletionResultType]::ParameterName, 'cPanel: have WHM do it (whmapi1, one call for each address) instead of editing its files')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--detailed-exitcode', '--detailed-exitcode', [CompletionResultType]::ParameterName, 'With --dry-run: exit with 10 if something would change')
            [CompletionResult]::new('--ping-gateway', '--ping-gateway', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway; no answer is a warning')
            [CompletionResult]::new('--ping-from-alias', '--ping-from-alias', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)')
            [CompletionResult]::new('--show-secrets', '--show-secrets', [CompletionResultType]::ParameterName, 'Show the values of keys, passwords and PINs instead of hiding them')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON instead of text')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ipalias;del' {
            [CompletionResult]::new('--block', '--block', [CompletionResultType]::ParameterName, 'Every address of a block, each as /32 or /128')
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Read addresses from a file; - is standard input')
            [CompletionResult]::new('--confirm', '--confirm', [CompletionResultType]::ParameterName, 'Take the change back unless `ipalias confirm` keeps it')
            [CompletionResult]::new('--root', '--root', [CompletionResultType]::ParameterName, 'Work on the system below DIR (a mounted disk)')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--interface', '--interface', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--backend', '--backend', [CompletionResultType]::ParameterName, 'The system that manages the network, if detection is wrong')
            [CompletionResult]::new('--apply', '--apply', [CompletionResultType]::ParameterName, 'How the change is made effective')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Seconds to wait until the addresses are up')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colour')
            [CompletionResult]::new('--panel-api', '--panel-api', [CompletionResultType]::ParameterName, 'cPanel: have WHM do it (whmapi1, one call for each address) instead of editing its files')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--detailed-exitcode', '--detailed-exitcode', [CompletionResultType]::ParameterName, 'With --dry-run: exit with 10 if something would change')
            [CompletionResult]::new('--ping-gateway', '--ping-gateway', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway; no answer is a warning')
            [CompletionResult]::new('--ping-from-alias', '--ping-from-alias', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)')
            [CompletionResult]::new('--show-secrets', '--show-secrets', [CompletionResultType]::ParameterName, 'Show the values of keys, passwords and PINs instead of hiding them')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON instead of text')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ipalias;sync' {
            [CompletionResult]::new('--confirm', '--confirm', [CompletionResultType]::ParameterName, 'Take the change back unless `ipalias confirm` keeps it')
            [CompletionResult]::new('--root', '--root', [CompletionResultType]::ParameterName, 'Work on the system below DIR (a mounted disk)')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--interface', '--interface', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--backend', '--backend', [CompletionResultType]::ParameterName, 'The system that manages the network, if detection is wrong')
            [CompletionResult]::new('--apply', '--apply', [CompletionResultType]::ParameterName, 'How the change is made effective')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Seconds to wait until the addresses are up')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colour')
            [CompletionResult]::new('--merge', '--merge', [CompletionResultType]::ParameterName, 'Only add; remove nothing')
            [CompletionResult]::new('--allow-empty', '--allow-empty', [CompletionResultType]::ParameterName, 'Even if a list is empty')
            [CompletionResult]::new('--panel-api', '--panel-api', [CompletionResultType]::ParameterName, 'cPanel: have WHM do it (whmapi1, one call for each address) instead of editing its files')
            [CompletionResult]::new('--static', '--static', [CompletionResultType]::ParameterName, 'Windows: switch an interface from DHCP to static addresses, with the values of its lease')
            [CompletionResult]::new('--in-place', '--in-place', [CompletionResultType]::ParameterName, 'netplan: edit the file that configures the interface, instead of an own file beside it')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Even if the address is in use elsewhere')
            [CompletionResult]::new('--no-announce', '--no-announce', [CompletionResultType]::ParameterName, 'Do not tell the neighbours that the address is here now (gratuitous ARP, unsolicited neighbour advertisement)')
            [CompletionResult]::new('--disable-cloud-init-network', '--disable-cloud-init-network', [CompletionResultType]::ParameterName, 'Also keep cloud-init from writing the network''s files again (99-disable-network-config.cfg)')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--detailed-exitcode', '--detailed-exitcode', [CompletionResultType]::ParameterName, 'With --dry-run: exit with 10 if something would change')
            [CompletionResult]::new('--ping-gateway', '--ping-gateway', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway; no answer is a warning')
            [CompletionResult]::new('--ping-from-alias', '--ping-from-alias', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)')
            [CompletionResult]::new('--show-secrets', '--show-secrets', [CompletionResultType]::ParameterName, 'Show the values of keys, passwords and PINs instead of hiding them')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON instead of text')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ipalias;list' {
            [CompletionResult]::new('--root', '--root', [CompletionResultType]::ParameterName, 'Work on the system below DIR (a mounted disk)')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--interface', '--interface', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--backend', '--backend', [CompletionResultType]::ParameterName, 'The system that manages the network, if detection is wrong')
            [CompletionResult]::new('--apply', '--apply', [CompletionResultType]::ParameterName, 'How the change is made effective')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Seconds to wait until the addresses are up')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colour')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--detailed-exitcode', '--detailed-exitcode', [CompletionResultType]::ParameterName, 'With --dry-run: exit with 10 if something would change')
            [CompletionResult]::new('--ping-gateway', '--ping-gateway', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway; no answer is a warning')
            [CompletionResult]::new('--ping-from-alias', '--ping-from-alias', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)')
            [CompletionResult]::new('--show-secrets', '--show-secrets', [CompletionResultType]::ParameterName, 'Show the values of keys, passwords and PINs instead of hiding them')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON instead of text')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ipalias;status' {
            [CompletionResult]::new('--root', '--root', [CompletionResultType]::ParameterName, 'Work on the system below DIR (a mounted disk)')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--interface', '--interface', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--backend', '--backend', [CompletionResultType]::ParameterName, 'The system that manages the network, if detection is wrong')
            [CompletionResult]::new('--apply', '--apply', [CompletionResultType]::ParameterName, 'How the change is made effective')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Seconds to wait until the addresses are up')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colour')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--detailed-exitcode', '--detailed-exitcode', [CompletionResultType]::ParameterName, 'With --dry-run: exit with 10 if something would change')
            [CompletionResult]::new('--ping-gateway', '--ping-gateway', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway; no answer is a warning')
            [CompletionResult]::new('--ping-from-alias', '--ping-from-alias', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)')
            [CompletionResult]::new('--show-secrets', '--show-secrets', [CompletionResultType]::ParameterName, 'Show the values of keys, passwords and PINs instead of hiding them')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON instead of text')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ipalias;explain' {
            [CompletionResult]::new('--root', '--root', [CompletionResultType]::ParameterName, 'Work on the system below DIR (a mounted disk)')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--interface', '--interface', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--backend', '--backend', [CompletionResultType]::ParameterName, 'The system that manages the network, if detection is wrong')
            [CompletionResult]::new('--apply', '--apply', [CompletionResultType]::ParameterName, 'How the change is made effective')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Seconds to wait until the addresses are up')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colour')
            [CompletionResult]::new('--list', '--list', [CompletionResultType]::ParameterName, 'List the names of the systems')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--detailed-exitcode', '--detailed-exitcode', [CompletionResultType]::ParameterName, 'With --dry-run: exit with 10 if something would change')
            [CompletionResult]::new('--ping-gateway', '--ping-gateway', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway; no answer is a warning')
            [CompletionResult]::new('--ping-from-alias', '--ping-from-alias', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)')
            [CompletionResult]::new('--show-secrets', '--show-secrets', [CompletionResultType]::ParameterName, 'Show the values of keys, passwords and PINs instead of hiding them')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON instead of text')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ipalias;rollback' {
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'Take back this operation and all after it')
            [CompletionResult]::new('--confirm', '--confirm', [CompletionResultType]::ParameterName, 'Take the change back unless `ipalias confirm` keeps it')
            [CompletionResult]::new('--root', '--root', [CompletionResultType]::ParameterName, 'Work on the system below DIR (a mounted disk)')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--interface', '--interface', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--backend', '--backend', [CompletionResultType]::ParameterName, 'The system that manages the network, if detection is wrong')
            [CompletionResult]::new('--apply', '--apply', [CompletionResultType]::ParameterName, 'How the change is made effective')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Seconds to wait until the addresses are up')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colour')
            [CompletionResult]::new('--list', '--list', [CompletionResultType]::ParameterName, 'The same as `ipalias history`')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Even if a file was changed since, or the primary address would change')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--detailed-exitcode', '--detailed-exitcode', [CompletionResultType]::ParameterName, 'With --dry-run: exit with 10 if something would change')
            [CompletionResult]::new('--ping-gateway', '--ping-gateway', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway; no answer is a warning')
            [CompletionResult]::new('--ping-from-alias', '--ping-from-alias', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)')
            [CompletionResult]::new('--show-secrets', '--show-secrets', [CompletionResultType]::ParameterName, 'Show the values of keys, passwords and PINs instead of hiding them')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON instead of text')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ipalias;confirm' {
            [CompletionResult]::new('--root', '--root', [CompletionResultType]::ParameterName, 'Work on the system below DIR (a mounted disk)')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--interface', '--interface', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--backend', '--backend', [CompletionResultType]::ParameterName, 'The system that manages the network, if detection is wrong')
            [CompletionResult]::new('--apply', '--apply', [CompletionResultType]::ParameterName, 'How the change is made effective')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Seconds to wait until the addresses are up')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colour')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--detailed-exitcode', '--detailed-exitcode', [CompletionResultType]::ParameterName, 'With --dry-run: exit with 10 if something would change')
            [CompletionResult]::new('--ping-gateway', '--ping-gateway', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway; no answer is a warning')
            [CompletionResult]::new('--ping-from-alias', '--ping-from-alias', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)')
            [CompletionResult]::new('--show-secrets', '--show-secrets', [CompletionResultType]::ParameterName, 'Show the values of keys, passwords and PINs instead of hiding them')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON instead of text')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ipalias;history' {
            [CompletionResult]::new('--root', '--root', [CompletionResultType]::ParameterName, 'Work on the system below DIR (a mounted disk)')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--interface', '--interface', [CompletionResultType]::ParameterName, 'The interface, if not that of the default route')
            [CompletionResult]::new('--backend', '--backend', [CompletionResultType]::ParameterName, 'The system that manages the network, if detection is wrong')
            [CompletionResult]::new('--apply', '--apply', [CompletionResultType]::ParameterName, 'How the change is made effective')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Seconds to wait until the addresses are up')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colour')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be done, and do nothing')
            [CompletionResult]::new('--detailed-exitcode', '--detailed-exitcode', [CompletionResultType]::ParameterName, 'With --dry-run: exit with 10 if something would change')
            [CompletionResult]::new('--ping-gateway', '--ping-gateway', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway; no answer is a warning')
            [CompletionResult]::new('--ping-from-alias', '--ping-from-alias', [CompletionResultType]::ParameterName, 'Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)')
            [CompletionResult]::new('--show-secrets', '--show-secrets', [CompletionResultType]::ParameterName, 'Show the values of keys, passwords and PINs instead of hiding them')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON instead of text')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more (-vv: everything)')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing but errors and warnings')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ipalias;help' {
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Add addresses')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Remove additional addresses')
            [CompletionResult]::new('sync', 'sync', [CompletionResultType]::ParameterValue, 'Make the additional addresses exactly those of a file')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List every address, configured or up')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show what ipalias sees and would do')
            [CompletionResult]::new('explain', 'explain', [CompletionResultType]::ParameterValue, 'Explain what would be written here, or on a named system, and why')
            [CompletionResult]::new('rollback', 'rollback', [CompletionResultType]::ParameterValue, 'Take the latest change back; the same again redoes it')
            [CompletionResult]::new('confirm', 'confirm', [CompletionResultType]::ParameterValue, 'Keep the change that was made with --confirm')
            [CompletionResult]::new('history', 'history', [CompletionResultType]::ParameterValue, 'Show every change, and what became of it')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ipalias;help;add' {
            break
        }
        'ipalias;help;remove' {
            break
        }
        'ipalias;help;sync' {
            break
        }
        'ipalias;help;list' {
            break
        }
        'ipalias;help;status' {
            break
        }
        'ipalias;help;explain' {
            break
        }
        'ipalias;help;rollback' {
            break
        }
        'ipalias;help;confirm' {
            break
        }
        'ipalias;help;history' {
            break
        }
        'ipalias;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
