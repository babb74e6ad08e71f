//! The hostile words, and the trees that they are tried on.

/// A tree of a backend: its name, its files.
pub type Host = (&'static str, &'static [(&'static str, &'static str)]);

pub const HOSTS: &[Host] = &[
    (
        "ifupdown",
        &[(
            "etc/network/interfaces",
            "auto eth0\niface eth0 inet static\n    address 192.0.2.10/24\n    gateway 192.0.2.1\n",
        )],
    ),
    (
        "ifcfg",
        &[
            (
                "etc/sysconfig/network-scripts/ifcfg-eth0",
                "DEVICE=eth0\nBOOTPROTO=none\nONBOOT=yes\nIPADDR=192.0.2.10\nPREFIX=24\nGATEWAY=192.0.2.1\n",
            ),
            ("etc/sysconfig/network", "NETWORKING=yes\n"),
            ("etc/init.d/network", "#!/bin/sh\n"),
            ("etc/redhat-release", "CentOS Linux release 7.9.2009 (Core)\n"),
        ],
    ),
    (
        "netifrc",
        &[
            ("etc/conf.d/net", "config_eth0=\"192.0.2.10/24\"\nroutes_eth0=\"default via 192.0.2.1\"\n"),
            ("etc/init.d/net.lo", "#!/sbin/openrc-run\n"),
            ("etc/os-release", "ID=gentoo\n"),
        ],
    ),
    (
        "freebsd",
        &[
            ("etc/rc.conf", "hostname=\"x\"\nifconfig_em0=\"inet 192.0.2.10/24\"\ndefaultrouter=\"192.0.2.1\"\n"),
            ("etc/defaults/rc.conf", "ifconfig_lo0=\"inet 127.0.0.1\"\n"),
            ("etc/rc.d/netif", "#!/bin/sh\n"),
            ("etc/network.subr", "\n"),
            ("bin/freebsd-version", "USERLAND_VERSION=\"14.1-RELEASE\"\n"),
        ],
    ),
    (
        "wicked",
        &[
            ("etc/sysconfig/network/ifcfg-eth0", "STARTMODE='auto'\nBOOTPROTO='static'\nIPADDR='192.0.2.10/24'\n"),
            ("etc/sysconfig/network/routes", "default 192.0.2.1 - -\n"),
            ("etc/os-release", "ID=opensuse-leap\n"),
            ("usr/sbin/wicked", ""),
        ],
    ),
];

/// Words that somebody's shell, parser or terminal might take for more than a word. `canary` is a file that must not be made.
pub fn words() -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = [
        "$(>canary)",
        "`>canary`",
        ";>canary",
        "&>canary",
        "|>canary",
        "||>canary",
        "\n>canary",
        "\n>canary\n",
        "\r>canary\r",
        "$(touch canary)",
        "`touch canary`",
        ";touch canary;",
        "eth0;touch canary",
        "eth0$(touch canary)",
        "'$(>canary)'",
        "';>canary;'",
        "\";>canary;\"",
        "\"$(>canary)\"",
        "\\\n>canary",
        "\\$(>canary)",
        "${x:-$(>canary)}",
        "$((`>canary`))",
        "<(>canary)",
        ">(>canary)",
        ")>canary(",
        "}>canary{",
        "eth0\n    post-up touch canary",
        "eth0\n\tup >canary\n",
        "203.0.113.5\n    up touch canary",
        "203.0.113.5; touch canary",
        "203.0.113.5/32\nup x",
        "203.0.113.5 #",
        "203.0.113.5\t",
        "203.0.113.5%eth0",
        "fe80::1%$(>canary)",
        "203.0.113.5\u{0}",
        "-x",
        "--help",
        "--root=/",
        "-",
        "--",
        "-i",
        "@file",
        "~",
        "~root",
        "*",
        "?",
        "[a-z]",
        "{a,b}",
        "!x",
        "!!",
        "#",
        "\\",
        "\"",
        "'",
        "`",
        "$",
        "$x",
        "$IFS",
        "$0",
        "%s%n",
        "%00",
        "..",
        ".",
        "/",
        "../../etc",
        "eth0/../x",
        "\u{1b}[2J",
        "\u{1b}]0;x\u{7}",
        "\u{9b}2J",
        "\u{202e}0hte",
        "\u{feff}eth0",
        "eth\u{200b}0",
        "\u{e4}",
        "\u{ff12}03.0.113.5",
        "\u{1f4a3}",
        "\u{0}",
        "a\u{0}b",
        "\u{8}",
        "\u{7f}",
        "]\n[Match]\nName=*",
        "x\n[ipv4]\naddress1=6.6.6.6/32",
        "eth0: {x: y}",
        "- x",
        "&a",
        "*a",
        "!!python/object:x",
        "eth0 inet static",
        "source /etc/shadow",
        " ",
        "",
        "\t",
        "\u{a0}",
        "\u{2028}",
        "null",
        "eth0=eth1",
        "a=b;c",
    ]
    .iter()
    .map(|word| word.as_bytes().to_vec())
    .collect();
    words.push(vec![b'a'; 300]);
    words.push("\u{e4}".repeat(300).into_bytes());
    words.push(b"caf\xe9".to_vec());
    words.push(b"\xff\xfe".to_vec());
    words.push(b"$(>canary)\xff".to_vec());
    words
}
