/**
 * The examples that the help of a command shows below its options, by the command's words. docs/command-line.md
 * describes the commands.
 */
export const commandExamples: Readonly<Record<string, readonly string[]>> = {
  pinfold: ['pinfold doctor', 'pinfold hugepages reserve 2MiB 64', 'pinfold demo'],
  'pinfold doctor': [
    'pinfold doctor -v                               # every check',
    'pinfold doctor --only hugepages,limits --strict',
    "pinfold doctor --json | jq -r '.purposes[].command // empty'",
  ],
  'pinfold hugepages': ['pinfold hugepages', 'pinfold hugepages reserve 2MiB 64', 'pinfold hugepages release 2MiB 64'],
  'pinfold hugepages show': ['pinfold hugepages show', "pinfold hugepages show --json | jq '.pools[].free'"],
  'pinfold hugepages reserve': [
    'pinfold hugepages reserve 2MiB 64               # 64 more pages',
    'pinfold hugepages reserve 1GiB --to 4 --node 1  # until node 1 has 4',
    'pinfold hugepages reserve 2MiB 1GiB --persist   # 512 pages, also after a boot',
  ],
  'pinfold hugepages release': [
    'pinfold hugepages release 2MiB 64               # 64 fewer',
    'pinfold hugepages release 2MiB --to 0 --dry-run',
  ],
  'pinfold hugepages mount': [
    'pinfold hugepages mount',
    'pinfold hugepages mount /mnt/huge --page-size 1GiB --size 4GiB --mode 0770 --owner dpdk:dpdk',
  ],
  'pinfold hugepages unmount': ['pinfold hugepages unmount /mnt/huge'],
  'pinfold translate': [
    'pinfold translate 4711 0x7f2a40000000           # the page at that address',
    'pinfold translate 4711 0x7f2a40000000 64MiB     # physical runs',
  ],
  'pinfold map': [
    'pinfold map 4711                                # all memory of the process',
    'pinfold map 4711 0x7f2a40000000                 # the mapping that contains the address',
    'pinfold map 4711 0x7f2a40000000 64MiB --html map.html',
  ],
  'pinfold whose': ['pinfold whose 0x3f2600000', "pinfold whose 0x3f2600000 --json | jq '.mappings[].pid'"],
  'pinfold devices': [
    'pinfold devices',
    'pinfold devices loopback0 --verbose             # all attributes, as ibv_devinfo -v',
    "pinfold devices --json | jq -r '.devices[].ports[]?.gidTable[].gid'",
  ],
  'pinfold lab': ['pinfold lab run -- ibv_devinfo', 'pinfold lab shell'],
  'pinfold lab run': [
    'pinfold lab run -- ibv_devinfo -v               # shows the device rxe0',
    'pinfold lab run --out results -- npm test       # files in $LAB_OUT appear in results',
    "pinfold lab run --hosts 2 -- sh -c 'ping -c 3 $LAB_PEERS'",
  ],
  'pinfold lab shell': ['pinfold lab shell', 'pinfold lab shell --numa 2 --memory 4GiB'],
  'pinfold bench': [
    'pinfold bench --html report.html                # all benchmarks in a minute or two, with charts',
    'pinfold bench tlb --pages base,2MiB --sizes 64MiB,1GiB',
    "pinfold bench copy --quick --json | jq '.benchmarks[].series[].points[].median'",
  ],
  'pinfold demo': ['pinfold demo', 'pinfold demo --json'],
  'pinfold completion': ['source <(pinfold completion bash)', 'pinfold completion fish | source'],
}
