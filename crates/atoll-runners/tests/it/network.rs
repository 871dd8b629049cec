//! The way out: named hosts and ports through the proxy.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::Arc;

use atoll_domain::{HostPort, Network};
use atoll_ports::{BoxFuture, Runner};
use atoll_runners::{ProcessRunner, proxy};

use crate::kit::{self, job, modes, run};

/// Every name is this machine.
struct Here;

impl proxy::Resolve for Here {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        Box::pin(async { Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]) })
    }
}

/// A server of one sentence, for as long as the test lives.
fn server() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nfrom shop",
            );
        }
    });
    port
}

#[tokio::test]
async fn an_allowed_host_is_reached_and_no_other() {
    for mode in modes() {
        let port = server();
        let mut options = kit::options(mode);
        options.proxy.resolver = Arc::new(Here);
        options.proxy.also_allow = vec!["127.0.0.1".parse().unwrap()];
        options.proxy.own = Arc::new(Vec::new);
        let runner = ProcessRunner::start(options).unwrap();
        assert_eq!(runner.abilities().level, "full");
        let script = format!(
            "get() {{ exec 3<>/dev/tcp/127.0.0.1/${{HTTP_PROXY##*:}}; \
             printf 'GET http://%s/ HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n' $1 $1 >&3; \
             cat <&3; echo; exec 3>&-; }}; \
             get shop.test:{port}; get other.test:{port}; \
             (exec 4<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null || echo no other way"
        );
        let mut client = job(&["/bin/bash", "-c", &script]);
        client.spec.network = Network::Allow(vec![HostPort {
            host: "shop.test".into(),
            port,
        }]);
        // What the caller says of a proxy is not what the job gets.
        client
            .spec
            .env
            .insert("HTTP_PROXY".into(), "http://127.0.0.1:1".into());
        let outcome = run(&runner, client).await;
        assert!(outcome.stdout.contains("from shop"), "{mode:?} {outcome:?}");
        assert_eq!(
            outcome.stdout.matches("from shop").count(),
            1,
            "{mode:?} {outcome:?}"
        );
        assert!(
            outcome.stdout.contains("HTTP/1.1 403"),
            "{mode:?} {outcome:?}"
        );
        assert!(
            outcome.stdout.ends_with("no other way\n"),
            "{mode:?} {outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_network_that_went_from_box_to_box_holds_nothing_of_the_last_one() {
    for mode in modes() {
        let runner = kit::runner(mode);
        let script = "grep -c . /proc/net/tcp; grep -c . /proc/net/unix; \
                      (exec 4<>/dev/tcp/127.0.0.1/4000) 2>/dev/null && echo reached; \
                      exec 5<>/dev/udp/127.0.0.1/4001; sleep 100 & true";
        for _ in 0..6 {
            let outcome = run(&runner, job(&["/bin/bash", "-c", script])).await;
            assert_eq!(outcome.stdout, "1\n1\n", "{mode:?} {outcome:?}");
        }
    }
}
