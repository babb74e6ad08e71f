//! P23: adding an address never changes the source of outgoing packets; shown with the real kernel, to targets on the link,
//! behind the gateway, and in both families.

use std::path::Path;

use crate::lab::{self, PROGRAM, sh};
use crate::support;

const FLAVOURS: [&str; 2] = ["bookworm:ifupdown", "bookworm:networkd"];

/// Name, what is set up by hand before, what is added.
const CASES: [(&str, &str, &str); 8] = [
    ("IPv4 alone", ":", "198.51.100.77/32"),
    ("IPv4 of the same subnet", ":", "192.0.2.77/24"),
    ("IPv4 of another subnet", ":", "203.0.113.77/24"),
    ("IPv6 alone", ":", "2001:db8:1::77/128"),
    ("IPv6 of the same subnet", ":", "2001:db8::77/64"),
    ("IPv6 of another subnet", ":", "2001:db8:1::77/64"),
    (
        "several addresses before",
        "ip address add 192.0.2.11/24 dev eth0; ip address add 203.0.113.9/24 dev eth0; \
         ip address add 2001:db8::9/64 dev eth0 nodad; ip address add 2001:db8:3::9/64 dev eth0 nodad",
        "192.0.2.77/24 203.0.113.77/24 2001:db8::77/64 2001:db8:3::77/128",
    ),
    (
        "default routes on the link",
        "ip route replace default dev eth0; ip -6 route replace default dev eth0 metric 512",
        "192.0.2.77/24 198.51.100.77/32 2001:db8::77/64 2001:db8:1::77/128",
    ),
];

/// On the link, in the subnets that are added, far away.
const TARGETS: &str = "192.0.2.1 192.0.2.200 198.51.100.1 203.0.113.1 9.9.9.9 198.18.0.1 2001:db8::1 2001:db8::ffff:1 2001:db8:1::1 \
                       2001:db8:3::1 2620:fe::fe 3fff::1";

/// A line for each target: the way there.
fn ways() -> Vec<String> {
    let all = sh(&format!("for a in {TARGETS}; do ip -o route get $a 2>/dev/null || echo none; done"));
    let way = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let after = |name| words.iter().skip_while(|word| **word != name).nth(1).unwrap_or(&"none").to_string();
        format!("{} from {}", words.first().unwrap_or(&""), after("src"))
    };
    all.lines().map(way).collect()
}

#[test]
fn p23_an_addition_never_changes_the_source() {
    if !lab::is_possible() {
        return;
    }
    std::thread::scope(|scope| {
        let threads = FLAVOURS.map(|flavour| {
            let lay_out = move |root: &Path| lab::lay_out(flavour, root);
            scope.spawn(move || (flavour, lab::enter(flavour, lay_out, "source::inside", &[])))
        });
        for thread in threads {
            let (flavour, printed) = thread.join().unwrap();
            let (cases, ways) = (lab::figure(&printed, "cases"), lab::figure(&printed, "ways"));
            assert_eq!(cases as usize, CASES.len());
            let text =
                format!("{cases} cases, {ways} sources compared: 0 changed; an address added without care is seen");
            println!("{flavour}: {text}");
            support::promise("P23", &flavour.replace(':', "-"), &text);
        }
    });
}

#[test]
#[ignore = "runs inside a namespace"]
fn inside() {
    let Some(flavour) = lab::inside() else { return };
    lab::start(&flavour);
    let mut compared = 0;
    for (name, prepare, added) in CASES {
        sh(prepare);
        let before = ways();
        let said = sh(&format!("{PROGRAM} add --force {added} 2>&1; echo exit $?"));
        assert!(said.contains("exit 0"), "{name}: {said}\n{}", lab::look());
        // A target in the subnet of a new address is on the link now, and has no old route that could be changed.
        let is_old = |(number, _): &(usize, &String)| {
            let target = TARGETS.split_whitespace().nth(*number).unwrap();
            let net: Vec<ipnet::IpNet> = added.split_whitespace().map(|text| text.parse().unwrap()).collect();
            let ip: std::net::IpAddr = target.parse().unwrap();
            let known = sh("ip -o address show dev eth0");
            let is_primarys =
                |net: &ipnet::IpNet| ["192.0.2.0/24", "2001:db8::/64"].contains(&net.trunc().to_string().as_str());
            !net.iter()
                .any(|net| net.contains(&ip) && !is_primarys(net) && known.contains(&net.to_string()) && prepare == ":")
        };
        let after = ways();
        let kept: Vec<&String> = before.iter().enumerate().filter(is_old).map(|(_, way)| way).collect();
        let now: Vec<&String> = after.iter().enumerate().filter(is_old).map(|(_, way)| way).collect();
        assert_eq!(kept, now, "{name}: {said}\n{}", lab::look());
        compared += kept.len();
        let said = sh(&format!("{PROGRAM} remove {added} 2>&1; echo exit $?"));
        assert!(said.contains("exit 0"), "{name}: {said}");
        assert_eq!(before, ways(), "{name}, removed: {said}");
        compared += before.len();
    }
    // The harness would see it.
    let before = ways();
    sh("ip address add 2001:db8::55/64 dev eth0 nodad");
    assert_ne!(before, ways(), "a preferred address is not seen");
    println!("\nFIGURES cases={} ways={compared}", CASES.len());
}
