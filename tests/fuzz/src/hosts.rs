//! The systems whose files are fuzzed: what the first file of an input is, and what stands around it.

/// A system.
pub struct Host {
    /// Its backend, and the name of the target.
    pub backend: &'static str,
    /// The file that an input begins with.
    pub main: &'static str,
    /// Files that mark the system, unless an input has others.
    pub around: &'static [(&'static str, &'static str)],
    /// Whether files are read by age, so that they must stand on the disk: all that are planned are of one age.
    pub on_disk: bool,
    /// The interface, where the files name none.
    pub interface: &'static str,
    /// Whether what add has written can always be removed.
    pub takes_back: bool,
    /// What notes of a plan say where removing does not give back the bytes: what was repaired stays repaired.
    pub keeps: &'static [&'static str],
}

const HOSTS: &str = "127.0.0.1 localhost\n192.0.2.10 myhost\n198.51.100.9 other # x\n2001:db8::9 six\n";

/// Every one of them.
pub const ALL: &[Host] = &[
    Host {
        backend: "ifupdown",
        main: "/etc/network/interfaces",
        around: &[],
        on_disk: false,
        interface: "eth0",
        takes_back: true,
        keeps: &[],
    },
    Host {
        backend: "ifupdown2",
        main: "/etc/network/interfaces",
        around: &[],
        on_disk: false,
        interface: "eth0",
        takes_back: true,
        keeps: &[],
    },
    Host {
        backend: "ifupdown-ng",
        main: "/etc/network/interfaces",
        around: &[],
        on_disk: false,
        interface: "eth0",
        takes_back: true,
        keeps: &[],
    },
    Host {
        backend: "busybox",
        main: "/etc/network/interfaces",
        around: &[],
        on_disk: false,
        interface: "eth0",
        takes_back: true,
        keeps: &[],
    },
    Host {
        backend: "networkd",
        main: "/etc/systemd/network/50-default.network",
        around: &[],
        on_disk: false,
        interface: "eth0",
        takes_back: true,
        keeps: &["put right"],
    },
    Host {
        backend: "netplan",
        main: "/etc/netplan/50-cloud-init.yaml",
        around: &[("/usr/libexec/netplan/generate", "ELF\n")],
        on_disk: false,
        interface: "eth0",
        takes_back: true,
        keeps: &[],
    },
    Host {
        backend: "networkmanager",
        main: "/etc/NetworkManager/system-connections/eth0.nmconnection",
        around: &[("/etc/os-release", "ID=rocky\nVERSION_ID=\"9.4\"\n")],
        on_disk: true,
        interface: "eth0",
        takes_back: true,
        keeps: &["put right"],
    },
    Host {
        backend: "ifcfg",
        main: "/etc/sysconfig/network-scripts/ifcfg-eth0",
        around: &[
            ("/etc/redhat-release", "CentOS Linux release 7.9.2009 (Core)\n"),
            ("/etc/sysconfig/network", "NETWORKING=yes\n"),
            ("/etc/init.d/network", "#!/bin/bash\n"),
        ],
        on_disk: false,
        interface: "eth0",
        takes_back: true,
        keeps: &[],
    },
    Host {
        backend: "wicked",
        main: "/etc/sysconfig/network/ifcfg-eth0",
        around: &[("/usr/sbin/wicked", "ELF\n"), ("/etc/sysconfig/network/routes", "default 192.0.2.1 - -\n")],
        on_disk: false,
        interface: "eth0",
        takes_back: true,
        keeps: &[],
    },
    Host {
        backend: "netifrc",
        main: "/etc/conf.d/net",
        around: &[("/etc/os-release", "ID=gentoo\n"), ("/etc/init.d/net.lo", "#!/sbin/openrc-run\n")],
        on_disk: false,
        interface: "eth0",
        takes_back: true,
        keeps: &[],
    },
    Host {
        backend: "freebsd",
        main: "/etc/rc.conf",
        around: &[
            ("/etc/rc.d/netif", "#!/bin/sh\n"),
            ("/etc/network.subr", "ifalias_expand_addr()\n{\n}\n"),
            (
                "/etc/defaults/rc.conf",
                "rc_conf_files=\"/etc/rc.conf /etc/rc.conf.local\"\nlocal_startup=\"/usr/local/etc/rc.d\"\n",
            ),
            ("/bin/freebsd-version", "#!/bin/sh\nUSERLAND_VERSION=\"14.1-RELEASE\"\n"),
        ],
        on_disk: false,
        interface: "em0",
        takes_back: false,
        keeps: &[""],
    },
    Host {
        backend: "openbsd",
        main: "/etc/hostname.em0",
        around: &[
            ("/etc/netstart", "#!/bin/sh -\n#\n#\t$OpenBSD: netstart,v 1.229 2022/11/05 12:06:05 kn Exp $\n"),
            ("/etc/rc.d/rc.subr", "# functions of rc.d scripts\n"),
            ("/etc/hosts", HOSTS),
        ],
        on_disk: false,
        interface: "em0",
        takes_back: false,
        keeps: &["from now on"],
    },
    Host {
        backend: "netbsd",
        main: "/etc/rc.conf",
        around: &[
            ("/etc/rc.d/network", "#!/bin/sh\n#\n# $NetBSD: network,v 1.79 Exp $\n#\n"),
            ("/etc/defaults/rc.conf", "rc_configured=NO\nauto_ifconfig=YES\nnet_interfaces=\"\"\n"),
            ("/etc/hosts", HOSTS),
        ],
        on_disk: false,
        interface: "wm0",
        takes_back: false,
        keeps: &["from now on"],
    },
    Host {
        backend: "solaris",
        main: "/etc/hostname.e1000g0",
        around: &[
            ("/etc/release", "Oracle Solaris 10 1/13 s10x_u11wos_24a X86\n"),
            ("/etc/defaultrouter", "192.0.2.1\n"),
            ("/etc/inet/hosts", HOSTS),
            ("/etc/inet/netmasks", "192.0.2.0 255.255.255.0\n"),
        ],
        on_disk: false,
        interface: "e1000g0",
        takes_back: false,
        keeps: &[],
    },
    Host {
        backend: "ipadm",
        main: "/ipalias/ipadm",
        around: &[
            ("/usr/sbin/ipadm", "ELF\n"),
            ("/etc/release", "Oracle Solaris 11.3 X86\n"),
            ("/etc/defaultrouter", "192.0.2.1\n"),
        ],
        on_disk: false,
        interface: "net0",
        takes_back: false,
        keeps: &[],
    },
    Host {
        backend: "netsh",
        main: "/ipalias/netsh.json",
        around: &[],
        on_disk: false,
        interface: "Ethernet",
        takes_back: false,
        keeps: &[],
    },
    Host {
        backend: "cpanel",
        main: "/etc/ips",
        around: &[
            ("/usr/local/cpanel/version", "11.110.0.15\n"),
            ("/etc/wwwacct.conf", "ADDR 192.0.2.10\nETHDEV eth0\n"),
            ("/etc/init.d/ipaliases", "#!/bin/sh\n"),
        ],
        on_disk: false,
        interface: "eth0",
        takes_back: true,
        keeps: &[],
    },
];
