//! Which addresses a job may never reach, each with the paper that reserves it.
//!
//! Documentation ranges (RFC 5737, 3849, 9637) are not refused: nothing of the node's lives there, and
//! a registry's mirror may. Everything of IPv6 outside 2000::/3 is refused, named or not.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    addr: IpAddr,
    prefix_bits: u8,
}

impl Net {
    /// The network of `addr`'s first `prefix_bits` bits; `None` if there are not so many.
    pub fn new(addr: IpAddr, prefix_bits: u8) -> Option<Net> {
        (prefix_bits <= width_bits(addr)).then_some(Net { addr, prefix_bits })
    }

    /// The network of one address.
    pub fn host(addr: IpAddr) -> Net {
        Net {
            addr,
            prefix_bits: width_bits(addr),
        }
    }

    /// Whether `addr` lies in it. An IPv4 address never lies in an IPv6 network, nor the reverse.
    pub fn contains(&self, addr: IpAddr) -> bool {
        match (self.addr, addr) {
            (IpAddr::V4(net), IpAddr::V4(addr)) => {
                let rest = 32 - u32::from(self.prefix_bits);
                (net.to_bits() ^ addr.to_bits())
                    .checked_shr(rest)
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(net), IpAddr::V6(addr)) => {
                let rest = 128 - u32::from(self.prefix_bits);
                (net.to_bits() ^ addr.to_bits())
                    .checked_shr(rest)
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }

    /// Whether it is one address alone.
    pub fn is_host(&self) -> bool {
        self.prefix_bits == width_bits(self.addr)
    }
}

fn width_bits(addr: IpAddr) -> u8 {
    if addr.is_ipv4() { 32 } else { 128 }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix_bits)
    }
}

impl FromStr for Net {
    type Err = &'static str;
    /// `10.1.2.3/32`, `fd00::/8`; an address alone is that one address.
    fn from_str(s: &str) -> Result<Net, &'static str> {
        const WANT: &str = "expected an address or network, such as 10.1.2.3 or 10.1.0.0/16";
        let Some((addr, bits)) = s.split_once('/') else {
            return s.parse().map(Net::host).map_err(|_| WANT);
        };
        let addr = addr.parse().map_err(|_| WANT)?;
        let bits = bits.parse().map_err(|_| WANT)?;
        Net::new(addr, bits).ok_or(WANT)
    }
}

/// What kind of address a refused one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// "This network", the unspecified address.
    Unspecified,
    /// The machine itself.
    Loopback,
    /// A private network.
    Private,
    /// Shared address space behind a carrier's NAT.
    Shared,
    /// The link itself.
    LinkLocal,
    /// A cloud's metadata service or its host agent: it hands out credentials.
    Metadata,
    /// Set aside for protocols, benchmarks, identifiers or nothing yet.
    Reserved,
    /// Many at once.
    Multicast,
    /// An IPv6 address that stands for an IPv4 one: it could stand for any of the above.
    Embedded,
    /// One of the node's own.
    Own,
}

impl Range {
    /// What a person reads.
    pub fn name(self) -> &'static str {
        match self {
            Range::Unspecified => "unspecified",
            Range::Loopback => "loopback",
            Range::Private => "private",
            Range::Shared => "shared (carrier NAT)",
            Range::LinkLocal => "link-local",
            Range::Metadata => "cloud metadata",
            Range::Reserved => "reserved",
            Range::Multicast => "multicast",
            Range::Embedded => "IPv4 embedded in IPv6",
            Range::Own => "the node's own",
        }
    }

    /// Whether an owner's exception may open it: never what no registry mirror can have.
    fn can_be_opened(self) -> bool {
        !matches!(
            self,
            Range::Unspecified | Range::Multicast | Range::Metadata | Range::Embedded
        )
    }
}

/// One refused range.
pub struct Refused {
    /// The range.
    pub net: Net,
    /// Its kind.
    pub range: Range,
    /// Where it is set aside.
    pub source: &'static str,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8, range: Range, source: &'static str) -> Refused {
    let addr = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    Refused {
        net: Net {
            addr,
            prefix_bits: bits,
        },
        range,
        source,
    }
}

const fn v6(s: [u16; 8], bits: u8, range: Range, source: &'static str) -> Refused {
    let [a, b, c, d, e, f, g, h] = s;
    let addr = IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h));
    Refused {
        net: Net {
            addr,
            prefix_bits: bits,
        },
        range,
        source,
    }
}

/// Every refused range, the first that contains an address naming its kind: single addresses stand
/// before the ranges they lie in.
#[rustfmt::skip]
pub const REFUSED: [Refused; 42] = [
    v4(169, 254, 169, 254, 32, Range::Metadata, "AWS, Azure, GCP, OpenStack and others"),
    v4(169, 254, 169, 253, 32, Range::Metadata, "AWS, the resolver"),
    v4(169, 254, 170, 2, 32, Range::Metadata, "AWS ECS, task credentials"),
    v4(169, 254, 170, 23, 32, Range::Metadata, "AWS EKS, pod credentials"),
    v4(100, 100, 100, 200, 32, Range::Metadata, "Alibaba Cloud"),
    v4(168, 63, 129, 16, 32, Range::Metadata, "Azure, the host agent"),
    v4(192, 0, 0, 192, 32, Range::Metadata, "Oracle Cloud Classic"),
    v6([0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0], 32, Range::Metadata, "AWS"),
    v6([0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254], 128, Range::Metadata, "GCP"),
    v6([0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe], 128, Range::Metadata, "OpenStack"),
    v4(0, 0, 0, 0, 8, Range::Unspecified, "RFC 1122, RFC 6890"),
    v4(10, 0, 0, 0, 8, Range::Private, "RFC 1918"),
    v4(100, 64, 0, 0, 10, Range::Shared, "RFC 6598"),
    v4(127, 0, 0, 0, 8, Range::Loopback, "RFC 1122"),
    v4(169, 254, 0, 0, 16, Range::LinkLocal, "RFC 3927"),
    v4(172, 16, 0, 0, 12, Range::Private, "RFC 1918"),
    v4(192, 0, 0, 0, 24, Range::Reserved, "RFC 6890"),
    v4(192, 31, 196, 0, 24, Range::Reserved, "RFC 7535 (AS112)"),
    v4(192, 52, 193, 0, 24, Range::Reserved, "RFC 7450 (AMT)"),
    v4(192, 88, 99, 0, 24, Range::Embedded, "RFC 7526 (6to4 relays)"),
    v4(192, 168, 0, 0, 16, Range::Private, "RFC 1918"),
    v4(192, 175, 48, 0, 24, Range::Reserved, "RFC 7534 (AS112)"),
    v4(198, 18, 0, 0, 15, Range::Reserved, "RFC 2544 (benchmarks)"),
    v4(224, 0, 0, 0, 4, Range::Multicast, "RFC 5771"),
    v4(240, 0, 0, 0, 4, Range::Reserved, "RFC 1112, RFC 919 (broadcast)"),
    v6([0; 8], 128, Range::Unspecified, "RFC 4291"),
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128, Range::Loopback, "RFC 4291"),
    v6([0; 8], 96, Range::Embedded, "RFC 4291 (IPv4-compatible)"),
    v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, Range::Embedded, "RFC 4291 (IPv4-mapped)"),
    v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96, Range::Embedded, "RFC 7915 (IPv4-translated)"),
    v6([0x0064, 0xff9b, 0, 0, 0, 0, 0, 0], 96, Range::Embedded, "RFC 6052 (NAT64)"),
    v6([0x0064, 0xff9b, 1, 0, 0, 0, 0, 0], 48, Range::Embedded, "RFC 8215 (local NAT64)"),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, Range::Embedded, "RFC 4380 (Teredo)"),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, Range::Reserved, "RFC 2928 (benchmarks, ORCHID and others)"),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, Range::Embedded, "RFC 3056 (6to4)"),
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, Range::Private, "RFC 4193"),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, Range::LinkLocal, "RFC 4291"),
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, Range::Private, "RFC 3879 (site-local)"),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, Range::Multicast, "RFC 4291"),
    v6([0; 8], 3, Range::Reserved, "RFC 4291: only 2000::/3 is global unicast"),
    v6([0x4000, 0, 0, 0, 0, 0, 0, 0], 2, Range::Reserved, "RFC 4291: only 2000::/3 is global unicast"),
    v6([0x8000, 0, 0, 0, 0, 0, 0, 0], 1, Range::Reserved, "RFC 4291: only 2000::/3 is global unicast"),
];

/// Judges an address: `Err` with its kind where a job may not reach it.
///
/// `own` are the node's own addresses, `also` what the owner opened for mirrors on private addresses.
/// An own address is opened by an exception for that one address only, since an exception for a
/// network is rarely meant for the services of the node itself.
pub fn judge(addr: IpAddr, own: &[IpAddr], also: &[Net]) -> Result<(), Range> {
    let refused = REFUSED.iter().find(|r| r.net.contains(addr));
    let opened = also.iter().filter(|net| net.contains(addr));
    if let Some(refused) = refused {
        let opened = opened.clone().next().is_some() && refused.range.can_be_opened();
        if !opened {
            return Err(refused.range);
        }
    }
    if own.contains(&addr) && !opened.clone().any(Net::is_host) {
        return Err(Range::Own);
    }
    Ok(())
}

/// The addresses of this machine's interfaces, read now.
#[cfg(unix)]
pub fn own() -> Vec<IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else {
        return Vec::new();
    };
    let addresses = interfaces.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
    });
    addresses.collect()
}

/// The addresses of this machine's interfaces: not known here, where no job runs either.
#[cfg(not(unix))]
pub fn own() -> Vec<IpAddr> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip(s: &str) -> IpAddr {
        s.parse().unwrap()
    }

    fn kind(s: &str) -> Option<Range> {
        judge(ip(s), &[], &[]).err()
    }

    #[test]
    fn each_kind_is_refused_by_name() {
        for (range, addresses) in [
            (Range::Loopback, &["127.0.0.1", "127.255.0.3", "::1"][..]),
            (
                Range::Private,
                &[
                    "10.0.0.1",
                    "172.16.0.1",
                    "172.31.255.255",
                    "192.168.1.1",
                    "fd00::2",
                    "fc00::1",
                    "fec0::1",
                ],
            ),
            (Range::Shared, &["100.64.0.1", "100.127.255.255"]),
            (Range::LinkLocal, &["169.254.0.1", "fe80::1", "febf::1"]),
            (
                Range::Metadata,
                &[
                    "169.254.169.254",
                    "169.254.170.2",
                    "fd00:ec2::254",
                    "fd20:ce::254",
                    "100.100.100.200",
                    "168.63.129.16",
                ],
            ),
            (Range::Unspecified, &["0.0.0.0", "0.1.2.3", "::"]),
            (
                Range::Multicast,
                &["224.0.0.1", "239.255.255.255", "ff02::1"],
            ),
            (
                Range::Reserved,
                &[
                    "192.0.0.1",
                    "198.18.0.1",
                    "198.19.255.255",
                    "240.0.0.1",
                    "255.255.255.255",
                    "100::1",
                    "2001:2::1",
                    "2001:20::1",
                    "4000::1",
                    "5f00::1",
                    "9000::1",
                ],
            ),
            (
                Range::Embedded,
                &[
                    "::ffff:8.8.8.8",
                    "::8.8.8.8",
                    "::ffff:0:8.8.8.8",
                    "64:ff9b::808:808",
                    "64:ff9b:1::1",
                    "2002:808:808::1",
                    "2001::1",
                    "192.88.99.1",
                ],
            ),
        ] {
            for address in addresses {
                assert_eq!(kind(address), Some(range), "{address}");
            }
        }
    }

    #[test]
    fn the_neighbours_of_each_range_and_documentation_are_reachable() {
        for address in [
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "192.0.1.0",
            "1.1.1.1",
            "192.0.2.9",
            "198.51.100.1",
            "203.0.113.80",
            "2001:db8::1",
            "3fff::1",
            "2000::1",
            "2001:200::1",
            "2003::1",
            "2606:4700::1111",
            "3ffe::1",
        ] {
            assert_eq!(kind(address), None, "{address}");
        }
    }

    #[test]
    fn an_exception_opens_what_a_mirror_can_have_and_nothing_more() {
        let also: Vec<Net> = ["10.1.0.0/16", "127.0.0.1", "0.0.0.0/0", "::/0"]
            .map(|s| s.parse().unwrap())
            .to_vec();
        let open = |s: &str| judge(ip(s), &[], &also).is_ok();
        assert!(open("10.1.2.3") && open("127.0.0.1") && open("fd00::2"));
        for never in [
            "169.254.169.254",
            "224.0.0.1",
            "0.0.0.0",
            "ff02::1",
            "::ffff:10.1.2.3",
            "fd00:ec2::254",
        ] {
            assert!(!open(never), "{never}");
        }
        let narrow = [also[0]];
        assert_eq!(judge(ip("10.2.0.1"), &[], &narrow), Err(Range::Private));
    }

    #[test]
    fn own_addresses_need_an_exception_for_themselves() {
        let own = [ip("203.0.113.5"), ip("10.0.0.5")];
        assert_eq!(judge(own[0], &own, &[]), Err(Range::Own));
        let wide: Net = "10.0.0.0/8".parse().unwrap();
        assert_eq!(judge(own[1], &own, &[wide]), Err(Range::Own));
        assert_eq!(judge(ip("10.0.0.6"), &own, &[wide]), Ok(()));
        assert_eq!(judge(own[1], &own, &[Net::host(own[1])]), Ok(()));
    }

    #[test]
    fn networks_are_parsed_strictly() {
        for bad in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "a/8",
            "10.0.0.1/8/8",
        ] {
            assert!(bad.parse::<Net>().is_err(), "{bad}");
        }
        assert_eq!(
            "10.0.0.0/8".parse::<Net>().unwrap().to_string(),
            "10.0.0.0/8"
        );
        assert!("10.0.0.1".parse::<Net>().unwrap().is_host());
        assert!(
            "0.0.0.0/0"
                .parse::<Net>()
                .unwrap()
                .contains(ip("255.1.2.3"))
        );
    }

    #[test]
    fn this_machines_loopback_is_its_own() {
        assert!(own().contains(&ip("127.0.0.1")));
    }

    proptest! {
        /// The standard library's own classification never calls unreachable what we let pass.
        #[test]
        fn no_ipv4_that_std_calls_local_passes(bits: u32) {
            let a = Ipv4Addr::from_bits(bits);
            let local = a.is_loopback() || a.is_private() || a.is_link_local() || a.is_multicast()
                || a.is_broadcast() || a.is_unspecified();
            if local {
                prop_assert!(judge(IpAddr::V4(a), &[], &[]).is_err());
            }
        }

        /// A refused IPv4 address stays refused in every IPv6 form that can carry it.
        #[test]
        fn no_embedding_carries_an_ipv4_address(bits: u32) {
            let high = (bits >> 16) as u16;
            let low = bits as u16;
            for s in [
                [0, 0, 0, 0, 0, 0xffff, high, low],
                [0, 0, 0, 0, 0, 0, high, low],
                [0, 0, 0, 0, 0xffff, 0, high, low],
                [0x64, 0xff9b, 0, 0, 0, 0, high, low],
                [0x2002, high, low, 0, 0, 0, 0, 1],
                [0x2001, 0, high, low, 0, 0, !high, !low],
            ] {
                prop_assert!(judge(IpAddr::V6(Ipv6Addr::from(s)), &[], &[]).is_err());
            }
        }

        /// Nothing outside global unicast passes.
        #[test]
        fn only_global_unicast_ipv6_passes(bits: u128) {
            let a = Ipv6Addr::from_bits(bits);
            if bits >> 125 != 1 {
                prop_assert!(judge(IpAddr::V6(a), &[], &[]).is_err());
            }
        }

        /// A network contains exactly the addresses that share its prefix.
        #[test]
        fn a_network_is_its_prefix(bits: u32, other: u32, prefix in 0u8..=32) {
            let net = Net::new(IpAddr::V4(Ipv4Addr::from_bits(bits)), prefix).unwrap();
            let same = (0..prefix).all(|i| (bits >> (31 - i)) & 1 == (other >> (31 - i)) & 1);
            prop_assert_eq!(net.contains(IpAddr::V4(Ipv4Addr::from_bits(other))), same);
        }
    }
}
