//! Where a request comes from: the peer, or what proxies that are trusted say of it. Must not know what the address is for.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::HeaderName;
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The networks of proxies whose `X-Forwarded-For` is believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// These networks.
    #[must_use]
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// A network as an operator writes it (RFC 4632, RFC 4291 §2.3), or one address. An IPv4 network within `::ffff:0:0/96`
    /// (RFC 4291 §2.5.5.2) is that IPv4 network, as every address is taken so.
    #[must_use]
    pub fn parse(text: &str) -> Option<IpNet> {
        let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
        let mapped = match network {
            IpNet::V6(network) => network.addr().to_ipv4_mapped().zip(network.prefix_len().checked_sub(96)),
            IpNet::V4(_) => None,
        };
        mapped.map_or(Some(network), |(address, length)| IpNet::new(address.into(), length).ok())
    }

    /// The client's address. From the last entry of `X-Forwarded-For` to the first, each is believed as long as who has
    /// written it is trusted; what is no address ends the walk at whoever has written it.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let mut entries = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        while self.trusts(client) {
            match entries.next().and_then(address) {
                Some(before) => client = before,
                None => break,
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// An entry as proxies write it: an address, with or without a port.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).unwrap_or(entry);
    let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::TrustedProxies;
    use http::{HeaderMap, HeaderValue};
    use std::net::IpAddr;

    fn client(trusted: &[&str], peer: &str, lines: &[&str]) -> String {
        let proxies = TrustedProxies::new(trusted.iter().map(|text| TrustedProxies::parse(text).unwrap()).collect());
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_str(line).unwrap());
        }
        proxies.client(peer.parse::<IpAddr>().unwrap(), &headers).to_string()
    }

    #[test]
    fn nobody_who_is_not_trusted_is_believed() {
        for trusted in [&[][..], &["10.0.0.0/8"]] {
            assert_eq!(client(trusted, "203.0.113.9", &["1.2.3.4"]), "203.0.113.9");
        }
    }

    #[test]
    fn an_ipv4_network_may_be_written_as_ipv6() {
        for trusted in ["::ffff:10.1.0.0/112", "::ffff:10.1.2.3", "10.1.2.3"] {
            for peer in ["10.1.2.3", "::ffff:10.1.2.3"] {
                assert_eq!(client(&[trusted], peer, &["1.2.3.4"]), "1.2.3.4", "{trusted} {peer}");
                assert_eq!(client(&[trusted], "10.2.2.3", &["1.2.3.4"]), "10.2.2.3");
            }
        }
    }

    #[test]
    fn from_right_to_left_as_far_as_the_chain_is_trusted() {
        let trusted = ["10.0.0.0/8", "192.0.2.7", "fd00::/8"];
        for (peer, lines, wanted) in [
            ("10.1.1.1", &["1.2.3.4"][..], "1.2.3.4"),
            ("10.1.1.1", &["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            ("10.1.1.1", &["6.6.6.6, 1.2.3.4, 10.9.9.9"], "1.2.3.4"),
            ("10.1.1.1", &["6.6.6.6, 1.2.3.4", "192.0.2.7,10.9.9.9"], "1.2.3.4"),
            ("10.1.1.1", &["192.0.2.7, 10.9.9.9"], "192.0.2.7"),
            ("10.1.1.1", &[], "10.1.1.1"),
            ("10.1.1.1", &["1.2.3.4, nonsense, 10.2.2.2"], "10.2.2.2"),
            ("10.1.1.1", &["1.2.3.4,"], "10.1.1.1"),
            ("10.1.1.1", &[""], "10.1.1.1"),
            ("10.1.1.1", &["1.2.3.4:5678"], "1.2.3.4"),
            ("fd00::1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("fd00::1", &["[2001:db8::1]"], "2001:db8::1"),
            ("fd00::1", &["2001:db8::1"], "2001:db8::1"),
            ("::ffff:10.1.1.1", &["::ffff:1.2.3.4"], "1.2.3.4"),
            ("10.1.1.1", &["unknown"], "10.1.1.1"),
            ("10.1.1.1", &["_hidden"], "10.1.1.1"),
        ] {
            assert_eq!(client(&trusted, peer, lines), wanted, "{peer} {lines:?}");
        }
    }
}
