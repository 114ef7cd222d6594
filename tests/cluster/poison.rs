//! A job that kills its worker each time. The program has no hook for that: an image that is requested and never sent
//! shows which process renders the job, and the test kills that one.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use serde_json::json;

use super::program::{Program, Running};
use super::{Cluster, ended, small, submit};

/// Whether the process has the socket at `port` that leads to `to` (Linux). A port may be used for several peers at
/// once.
fn owns(process: u32, port: u16, to: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
    let inode = table.lines().skip(1).find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let port_in = |field: &str| u16::from_str_radix(field.rsplit(':').next()?, 16).ok();
        let is_it = port_in(fields.get(1)?)? == port && port_in(fields.get(2)?)? == to;
        is_it.then(|| fields.get(9).map(|it| (*it).to_owned()))?
    });
    let Some(inode) = inode else { return false };
    let sockets = std::fs::read_dir(Path::new("/proc").join(process.to_string()).join("fd")).expect("alive");
    let wanted = format!("socket:[{inode}]");
    sockets.flatten().any(|it| std::fs::read_link(it.path()).is_ok_and(|to| to.to_string_lossy() == wanted))
}

#[test]
fn job_that_kills_its_workers_is_given_up_and_the_others_flow() {
    let Some(cluster) = Cluster::start() else { return };
    let front = cluster.program("serve").with("TENTER_JOB_ATTEMPTS", "3").start();
    let programs: Vec<Program> = (0..2).map(|_| cluster.program("worker").with("TENTER_JOB_ATTEMPTS", "3")).collect();
    let mut workers: Vec<Option<Running>> = programs.iter().map(|it| Some(it.start())).collect();
    let source = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = source.local_addr().expect("an address");
    let src = format!("http://{address}/a.png");
    let image = json!({"type": "image", "src": src, "width": 9, "height": 9});
    let deadly = json!({"design": {"width": 9, "height": 9, "pages": [{"children": [image]}]}});
    let deadly = submit(&front, "deadly", &deadly).expect("accepted");
    let mut others = Vec::new();
    for attempt in 0..3 {
        others.extend((0..10).map(|at| submit(&front, &format!("{attempt}-{at}"), &small(at)).expect("accepted")));
        let (asked, peer): (_, SocketAddr) = source.accept().expect("the picture is asked for");
        let victim =
            workers.iter().position(|it| it.as_ref().is_some_and(|it| owns(it.pid(), peer.port(), address.port())));
        let victim = victim.expect("one of the workers asked");
        workers[victim].take().expect("running").kill();
        drop(asked);
        workers[victim] = Some(programs[victim].start());
    }
    for id in &others {
        assert_eq!(ended(&front, id)["status"], "done");
    }
    let job = ended(&front, &deadly);
    assert_eq!(job["status"], "error", "{job}");
    assert_eq!(job["error"], "given up: its worker died 3 times while it rendered this (TENTER_JOB_ATTEMPTS)");
}
