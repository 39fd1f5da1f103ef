//! What each file of a control group says (the kernel's documents cgroup-v1 and cgroup-v2), and proc_pid_net(5).

use crate::usage::{Counter, Reading};

/// A file, and what it says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FactFile {
    pub(crate) controller: &'static str,
    pub(crate) file: &'static str,
    pub(crate) unified: bool,
    pub(crate) fact: Fact,
}

/// What a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    /// One number: nanoseconds of processor time.
    CpuNanos,
    /// Words with numbers: processor time in microseconds, and throttling.
    CpuStat,
    /// Words with numbers: throttling only.
    Throttling,
    /// One number: bytes, with the cache.
    Memory,
    /// Words with numbers: those of the group and those below it.
    TotalMemoryStat,
    /// Words with numbers, those below the group included.
    MemoryStat,
    /// One number: how often a limit was hit.
    Failures,
    /// Words with numbers: how often an allocation was about to fail.
    MemoryEvents,
    /// One number.
    Pids,
    /// One number, or `max`.
    MostPids,
    /// `8:0 Read 123` a line: bytes.
    DiskBytes,
    /// The same: operations.
    DiskOperations,
    /// `8:0 rbytes=123 ..` a line.
    DiskStat,
    /// A table of interfaces.
    Network,
}

const fn one(controller: &'static str, file: &'static str, fact: Fact) -> FactFile {
    FactFile { controller, file, unified: false, fact }
}

const fn two(controller: &'static str, file: &'static str, fact: Fact) -> FactFile {
    FactFile { controller, file, unified: true, fact }
}

/// The files of version 1.
pub(crate) const VERSION_1: [FactFile; 9] = [
    one("cpuacct", "cpuacct.usage", Fact::CpuNanos),
    one("cpu", "cpu.stat", Fact::Throttling),
    one("memory", "memory.usage_in_bytes", Fact::Memory),
    one("memory", "memory.stat", Fact::TotalMemoryStat),
    one("memory", "memory.failcnt", Fact::Failures),
    one("pids", "pids.current", Fact::Pids),
    one("pids", "pids.max", Fact::MostPids),
    one("blkio", "blkio.throttle.io_service_bytes_recursive", Fact::DiskBytes),
    one("blkio", "blkio.throttle.io_serviced_recursive", Fact::DiskOperations),
];

/// The files of version 2.
pub(crate) const VERSION_2: [FactFile; 7] = [
    two("cpu", "cpu.stat", Fact::CpuStat),
    two("memory", "memory.current", Fact::Memory),
    two("memory", "memory.stat", Fact::MemoryStat),
    two("memory", "memory.events", Fact::MemoryEvents),
    two("pids", "pids.current", Fact::Pids),
    two("pids", "pids.max", Fact::MostPids),
    two("io", "io.stat", Fact::DiskStat),
];

/// What version 2 counts of a device.
const DISK: [(&[u8], Counter); 4] = [
    (b"rbytes=", Counter::DiskRead),
    (b"wbytes=", Counter::DiskWrite),
    (b"rios=", Counter::DiskReads),
    (b"wios=", Counter::DiskWrites),
];

/// Columns of an interface: received, then sent; bytes, packets, errors, dropped, and four others of each.
const NETWORK: [(usize, Counter); 4] =
    [(0, Counter::Received), (1, Counter::PacketsReceived), (8, Counter::Sent), (9, Counter::PacketsSent)];

/// Nanoseconds in a microsecond.
const NANOS: u64 = 1000;

impl Fact {
    /// Takes what `text` says into `reading`. What is not understood is left out.
    pub(crate) fn take(self, text: &[u8], reading: &mut Reading) {
        match self {
            Self::CpuNanos => reading.set(Counter::Cpu, number(text)),
            Self::CpuStat => {
                let used = value(text, b"usage_usec").map(|micros| micros.saturating_mul(NANOS));
                reading.set(Counter::Cpu, used);
                Self::Throttling.take(text, reading);
            }
            Self::Throttling => {
                reading.set(Counter::Periods, value(text, b"nr_periods"));
                reading.set(Counter::Throttled, value(text, b"nr_throttled"));
            }
            Self::Memory => reading.memory = number(text),
            Self::TotalMemoryStat => reading.cache = value(text, b"total_inactive_file"),
            Self::MemoryStat => reading.cache = value(text, b"inactive_file"),
            Self::Failures => reading.set(Counter::Failures, number(text)),
            Self::MemoryEvents => reading.set(Counter::Failures, value(text, b"oom")),
            Self::Pids => reading.pids = number(text),
            Self::MostPids => reading.most_pids = number(text),
            Self::DiskBytes => {
                reading.set(Counter::DiskRead, Some(served(text, b"Read")));
                reading.set(Counter::DiskWrite, Some(served(text, b"Write")));
            }
            Self::DiskOperations => {
                reading.set(Counter::DiskReads, Some(served(text, b"Read")));
                reading.set(Counter::DiskWrites, Some(served(text, b"Write")));
            }
            Self::DiskStat => {
                for (name, counter) in DISK {
                    let of_devices = words(text).filter_map(|word| number(word.strip_prefix(name)?));
                    reading.set(counter, Some(of_devices.fold(0, u64::saturating_add)));
                }
            }
            Self::Network => network(text, reading),
        }
    }
}

/// The number that is all of `text`.
fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// The number behind the word `name` at the beginning of a line.
fn value(text: &[u8], name: &[u8]) -> Option<u64> {
    lines(text).find_map(|line| number(line.strip_prefix(name)?.strip_prefix(b" ")?))
}

/// What one kind of operation comes to on all devices.
fn served(text: &[u8], operation: &[u8]) -> u64 {
    let of = lines(text).filter_map(|line| {
        let mut words = words(line).skip(1);
        (words.next()? == operation).then(|| number(words.next()?))?
    });
    of.fold(0, u64::saturating_add)
}

/// All interfaces together but the one to itself. Without any, nothing is known.
fn network(text: &[u8], reading: &mut Reading) {
    for line in lines(text) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, columns) = line.split_at(colon);
        if name.trim_ascii() == b"lo" {
            continue;
        }
        let column = |place: usize| words(columns.get(1..)?).nth(place).and_then(number);
        let mut add = |counter, more: Option<u64>| {
            if let Some(more) = more {
                reading.set(counter, Some(reading.count(counter).unwrap_or(0).saturating_add(more)));
            }
        };
        for (place, counter) in NETWORK {
            add(counter, column(place));
        }
        for (places, counter) in [([2, 10], Counter::NetworkErrors), ([3, 11], Counter::NetworkDropped)] {
            places.into_iter().for_each(|place| add(counter, column(place)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a reading has, in the order of its fields.
    fn told(reading: &Reading) -> String {
        let gauges =
            [("memory", reading.memory), ("cache", reading.cache), ("pids", reading.pids), ("most", reading.most_pids)];
        let gauges = gauges.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
        let counts = Counter::ALL.into_iter();
        let counts = counts.filter_map(|counter| Some(format!("{counter:?}={}", reading.count(counter)?)));
        gauges.chain(counts).collect::<Vec<_>>().join(" ")
    }

    /// Each is a file as Linux 6 writes it, shortened, and what is taken from it.
    #[test]
    fn a_file_says_what_the_engine_would() {
        let interfaces = "Inter-|   Receive        |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes \
             packets errs drop fifo colls carrier compressed\n    lo: 900 9 9 9 0 0 0 0 900 9 9 9 0 0 0 0\n  eth0: 100 2 1 3 0 0 \
             0 0 200 4 0 5 0 0 0 0\n  eth1:   7 1 0 0 0 0 0 0 8 1 0 0 0 0 0 0\n";
        let alone = "Inter-| Receive\n face |bytes\n    lo:       0       0    0    0    0     0 0 0 0 0 0 0 0 0 0 0\n";
        let old_memory =
            "cache 5246976\ninactive_file 3\ntotal_cache 9\ntotal_inactive_file 5242880\ntotal_active_file 4096\n";
        for (fact, text, wanted) in [
            (Fact::CpuNanos, "32622985\n", "Cpu=32622985"),
            (
                Fact::CpuStat,
                "usage_usec 32622\nuser_usec 30000\nsystem_usec 2622\nnr_periods 4\nnr_throttled 1\nthrottled_usec 7\n",
                "Cpu=32622000 Periods=4 Throttled=1",
            ),
            (Fact::CpuStat, "usage_usec 1\nuser_usec 1\nsystem_usec 0\n", "Cpu=1000"),
            (Fact::Throttling, "nr_periods 10\nnr_throttled 2\nthrottled_time 55\n", "Periods=10 Throttled=2"),
            (Fact::Memory, "5926912\n", "memory=5926912"),
            (Fact::TotalMemoryStat, old_memory, "cache=5242880"),
            (Fact::MemoryStat, "anon 1\nfile 9\ninactive_anon 2\nactive_file 3\ninactive_file 4096\n", "cache=4096"),
            (Fact::Failures, "12\n", "Failures=12"),
            (Fact::MemoryEvents, "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n", "Failures=2"),
            (Fact::Pids, "3\n", "pids=3"),
            (Fact::MostPids, "100\n", "most=100"),
            (Fact::MostPids, "max\n", ""),
            (Fact::DiskBytes, "Total 0\n", "DiskRead=0 DiskWrite=0"),
            (
                Fact::DiskBytes,
                "8:0 Read 100\n8:0 Write 20\n8:0 Sync 5\n8:0 Total 120\n8:16 Read 1\n8:16 Write 2\nTotal 123\n",
                "DiskRead=101 DiskWrite=22",
            ),
            (Fact::DiskOperations, "8:0 Read 4\n8:0 Write 5\nTotal 9\n", "DiskReads=4 DiskWrites=5"),
            (Fact::DiskStat, "", "DiskRead=0 DiskWrite=0 DiskReads=0 DiskWrites=0"),
            (
                Fact::DiskStat,
                "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n254:1 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=9\n",
                "DiskRead=11 DiskWrite=22 DiskReads=4 DiskWrites=6",
            ),
            (
                Fact::Network,
                interfaces,
                "Received=107 Sent=208 PacketsReceived=3 PacketsSent=5 NetworkErrors=1 NetworkDropped=8",
            ),
            (Fact::Network, alone, ""),
            (Fact::CpuNanos, "nonsense", ""),
            (Fact::Memory, "", ""),
        ] {
            let mut reading = Reading::default();
            fact.take(text.as_bytes(), &mut reading);
            assert_eq!(told(&reading), wanted, "{fact:?}: {text}");
        }
    }
}
