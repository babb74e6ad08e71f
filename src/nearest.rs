//! The name that was probably meant by one that is not known.

/// The one of `known` that `name` is nearest to, if it is near enough to be a slip of the fingers.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    let measured = known.into_iter().map(|other| (distance(&name, &other.to_ascii_lowercase()), other));
    let near = measured.filter(|(distance, other)| *distance <= (name.len().max(other.len()) / 3).max(1));
    near.min_by_key(|(distance, _)| *distance).map(|(_, other)| other)
}

/// How many letters have to be changed, swapped, put in or taken out; one that is a part of the other is near.
fn distance(name: &str, other: &str) -> usize {
    let (short, long) = if name.len() < other.len() { (name, other) } else { (other, name) };
    if short.len() >= 4 && long.contains(short) { 1 } else { strsim::damerau_levenshtein(name, other) }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_are_near() {
        let interfaces = ["lo", "eth0", "enp3s0"];
        assert_eq!(nearest("eth1", interfaces), Some("eth0"));
        assert_eq!(nearest("ehh0", interfaces), Some("eth0"));
        assert_eq!(nearest("ETH0", interfaces), Some("eth0"));
        assert_eq!(nearest("enp4s0", interfaces), Some("enp3s0"));
        assert_eq!(nearest("wlan0", interfaces), None);
        let backends = ["ifupdown", "networkd", "networkmanager", "netplan"];
        assert_eq!(nearest("systemd-networkd", backends), Some("networkd"));
        assert_eq!(nearest("NetworkManager", backends), Some("networkmanager"));
        assert_eq!(nearest("netpaln", backends), Some("netplan"));
        assert_eq!(nearest("augeas", backends), None);
    }
}
