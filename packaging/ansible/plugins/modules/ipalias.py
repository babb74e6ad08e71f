#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright: the ipalias contributors
# SPDX-License-Identifier: MIT OR Apache-2.0

# Runs on the managed host with whatever Python that has: 2.7 is enough.
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r'''
---
module: ipalias
short_description: Additional (failover) IP addresses of a server
version_added: 0.1.0
author:
  - the ipalias contributors (!UNKNOWN)
description:
  - Puts additional IP addresses on a server or takes them away, persistently, in the files of the system that manages its
    network and on the running system.
  - Every change is proven before it is written, verified afterwards, and undone if it does not hold.
requirements:
  - the program C(ipalias) on the managed host
options:
  state:
    description:
      - With V(present) the addresses are added, with V(absent) they are removed; what is so already stays as it is.
      - With V(confirmed) the change that was made with O(confirm) is kept. It is an error if none waits (any more), but not
        in check mode, where none was made.
    type: str
    choices: [present, absent, confirmed]
    default: present
  addresses:
    description:
      - The addresses, as V(203.0.113.5), with a prefix, as V(203.0.113.5/29) (default V(/32) and V(/128)), or as a range,
        V(203.0.113.5-203.0.113.9).
    type: list
    elements: str
    default: []
    aliases: [address]
  blocks:
    description:
      - Blocks of which every address is meant, as V(203.0.113.16/28).
    type: list
    elements: str
    default: []
    aliases: [block]
  interface:
    description:
      - The interface, if not that of the default route.
    type: str
  label:
    description:
      - The label of the address, as V(eth0:1). Only with O(state=present).
    type: str
  apply:
    description:
      - How the change is made effective. V(auto) is the smallest step that does it, V(restart) the full restart that the
        hosters' guides give, V(none) files only.
    type: str
    choices: [auto, restart, none]
    default: auto
  confirm:
    description:
      - Seconds, V(5) to V(3600), after which the change is taken back unless a task with O(state=confirmed) (or
        C(ipalias confirm)) keeps it.
      - Reset the connection in between, so that the confirmation shows that a new one can be made.
    type: int
  wait:
    description:
      - Seconds to wait until the addresses are up.
    type: int
    default: 10
  preferred:
    description:
      - Let outgoing IPv6 connections use the new address as their source. Only with O(state=present).
    type: bool
    default: false
  announce:
    description:
      - Tell the neighbours that the address is here now. Only with O(state=present).
    type: bool
    default: true
  in_place:
    description:
      - With netplan, edit the file that configures the interface instead of an own one beside it. Only with
        O(state=present).
    type: bool
    default: false
  disable_cloud_init_network:
    description:
      - Also keep cloud-init from writing the network's files again. Only with O(state=present).
    type: bool
    default: false
  force:
    description:
      - Add an address even if it is in use elsewhere, belongs to another program, or stands in a file of another system.
        Only with O(state=present).
    type: bool
    default: false
  backend:
    description:
      - The system that manages the network, if detection is wrong.
    type: str
  root:
    description:
      - The system to work on, if not the running one, such as a mounted disk or an image; files only.
    type: path
    default: /
  executable:
    description:
      - The program, if it is not in the path.
    type: path
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  platform:
    platforms: posix
notes:
  - Needs the rights of root, so usually C(become).
  - A failure with RV(rc=75) is a passing one, since another run is at work, or a change waits for confirmation. RV(rc=5) is
    the one that needs somebody to look.
'''

EXAMPLES = r'''
- name: Put a failover address on the interface of the default route
  ipalias.ipalias.ipalias:
    addresses: 203.0.113.5

- name: Take it away again
  ipalias.ipalias.ipalias:
    addresses: 203.0.113.5
    state: absent

- name: Put a block that is routed to this server on another interface
  ipalias.ipalias.ipalias:
    blocks: [203.0.113.16/28, "2001:db8:5::/125"]
    interface: eth1

# A change that takes itself back if it costs the connection
- name: Put the failover address on for two minutes
  ipalias.ipalias.ipalias:
    addresses: 203.0.113.5
    confirm: 120
  register: failover

- name: Come back over a new connection
  ansible.builtin.meta: reset_connection

- name: Keep the failover address
  ipalias.ipalias.ipalias:
    state: confirmed
  when: failover is changed
'''

RETURN = r'''
report:
  description: What C(ipalias --json) printed, or that it did not.
  returned: always
  type: dict
  sample:
    version: 1
    command: add
    result: changed
    backend: ifupdown
    operation: 1
    addresses:
      - address: 203.0.113.5/32
        interface: eth0
        label: eth0:0
        result: added
    changes:
      - path: /etc/network/interfaces
        result: changed
    diff: "--- a/etc/network/interfaces\n+++ b/etc/network/interfaces\n"
    commands:
      auto: [ifup eth0:0]
      restart: [/etc/init.d/networking restart]
      restart_refused: null
    notes: []
rc:
  description:
    - The exit code of C(ipalias). V(0) done or nothing to do, V(1) failed and nothing changed, V(2) wrong arguments,
      V(3) refused, V(4) failed and everything was put back, V(5) failed and not everything could be put back,
      V(75) another run is at work or a change waits for confirmation, V(130) interrupted.
  returned: always, but for O(state=confirmed) in check mode where no change waits
  type: int
  sample: 0
cmd:
  description: The command line.
  returned: always
  type: list
  elements: str
  sample: [/usr/bin/ipalias, --json, --root, /, --apply, auto, --wait, "10", add, --, 203.0.113.5]
reason:
  description: What is wrong.
  returned: failure
  type: str
  sample: 224.0.0.1 is a multicast address
hint:
  description: What can be done about it; empty if nothing is known.
  returned: failure
  type: str
  sample: name the additional unicast address that your hoster routes to this server
todo:
  description: Commands to type where something could not be put back.
  returned: failure
  type: list
  elements: str
  sample: []
'''

import json

from ansible.module_utils.basic import AnsibleModule

# The verb of each state.
VERBS = {'present': 'add', 'absent': 'remove', 'confirmed': 'confirm'}

# The version of the JSON that is understood here.
VERSION = 1

# Results by which something is, or in check mode would be, other than before.
CHANGES = ('changed', 'planned', 'unconfirmed', 'confirmed')


def command_line(module, program):
    """The call of ipalias that brings the state about, or in check mode tells what would be done."""
    params = module.params
    verb = VERBS[params['state']]
    words = [program, '--json', '--root', params['root'], '--apply', params['apply'], '--wait', str(params['wait'])]
    if module.check_mode:
        words.append('--dry-run')
    for name in ('interface', 'backend'):
        if params[name] is not None:
            words += ['--' + name, params[name]]
    words.append(verb)
    if verb == 'add':
        if params['label'] is not None:
            words += ['--label', params['label']]
        for name in ('preferred', 'in_place', 'disable_cloud_init_network', 'force'):
            if params[name]:
                words.append('--' + name.replace('_', '-'))
        if not params['announce']:
            words.append('--no-announce')
    if verb != 'confirm':
        if params['confirm'] is not None:
            words += ['--confirm', str(params['confirm'])]
        for block in params['blocks']:
            words += ['--block', block]
        words += ['--'] + params['addresses']
    return words


def read_report(rc, out, err):
    """What ipalias printed; if that was no report that is understood here, one that says so."""
    try:
        report = json.loads(out)
        version = report.pop('version')
    except (ValueError, AttributeError, KeyError):
        said = (err or out).strip() or 'exit code %d' % rc
        return dict(result='failed', error='ipalias printed no report: ' + said)
    if version != VERSION:
        said = 'ipalias speaks version %s of its JSON, this module version %d' % (version, VERSION)
        return dict(result='failed', error=said, hint='take the collection and the program from one release')
    return dict(report, version=version)


def failure(report):
    """What to tell of a refusal or a failure."""
    reason, hint, todo = report.get('error') or 'ipalias failed', report.get('hint') or '', report.get('todo') or []
    msg = reason
    if hint:
        msg += '; hint: ' + hint
    if todo:
        msg += '; type: ' + '; '.join(todo)
    return dict(msg=msg, reason=reason, hint=hint, todo=todo)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            state=dict(type='str', choices=['present', 'absent', 'confirmed'], default='present'),
            addresses=dict(type='list', elements='str', default=[], aliases=['address']),
            blocks=dict(type='list', elements='str', default=[], aliases=['block']),
            interface=dict(type='str'),
            label=dict(type='str'),
            apply=dict(type='str', choices=['auto', 'restart', 'none'], default='auto'),
            confirm=dict(type='int'),
            wait=dict(type='int', default=10),
            preferred=dict(type='bool', default=False),
            announce=dict(type='bool', default=True),
            in_place=dict(type='bool', default=False),
            disable_cloud_init_network=dict(type='bool', default=False),
            force=dict(type='bool', default=False),
            backend=dict(type='str'),
            root=dict(type='path', default='/'),
            executable=dict(type='path'),
        ),
        supports_check_mode=True,
    )
    # One that is given as a path is found there.
    program = module.get_bin_path(module.params['executable'] or 'ipalias', required=True, opt_dirs=['/usr/local/bin'])
    argv = command_line(module, program)
    rc, out, err = module.run_command(argv)
    report = read_report(rc, out, err)
    result = dict(rc=rc, cmd=argv, report=report)
    for note in report.get('notes', []):
        module.warn(note)

    if module.check_mode and module.params['state'] == 'confirmed' and report.get('kind') == 'not-found':
        del result['rc']  # Ansible takes any but 0 for a failure
        module.exit_json(changed=False, **result)
    if rc != 0 or 'error' in report:
        result.update(failure(report))
        module.fail_json(**result)
    if module._diff and report.get('diff'):
        result['diff'] = dict(prepared=report['diff'])
    module.exit_json(changed=report.get('result') in CHANGES, **result)


if __name__ == '__main__':
    main()
