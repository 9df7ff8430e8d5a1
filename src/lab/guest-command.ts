import { guestFolder } from './guest-init.js'

/** Variables of this process that a command in the lab gets, too: who, where, and in which language. */
const passedOn = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'LC_ALL',
  'TZ',
  'TERM',
  'COLORTERM',
  'NO_COLOR',
  'FORCE_COLOR',
  'CI',
  'NODE_OPTIONS',
  'NODE_PATH',
  'NODE_EXTRA_CA_CERTS',
]

/** The address of a host on the labs' own wire. */
export function hostAddress(host: number): string {
  return `10.77.0.${host + 1}`
}

/** What tells a host its place among the others. */
export function labVariables(host: number, hosts: number): Record<string, string> {
  const all = Array.from({ length: hosts }, (_, index) => index)
  return {
    LAB: '1',
    LAB_HOST: `${host}`,
    LAB_HOSTS: `${hosts}`,
    LAB_ADDRESS: hostAddress(host),
    LAB_PEERS: all
      .filter((other) => other !== host)
      .map(hostAddress)
      .join(' '),
    LAB_OUT: `${guestFolder}/out`,
  }
}

/**
 * The script that runs a command in the guest, in the folder that this process is in. busybox's applets stand behind what
 * the host has.
 */
export function commandScript(
  command: readonly string[],
  variables: Readonly<Record<string, string>>,
  folder = process.cwd(),
): string {
  const passed = passedOn.flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  const exports = [...passed, ...Object.entries(variables)].map(([name, value]) => `export ${name}=${quoted(value)}`)
  return [
    ...exports,
    `export PATH="\${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}:${guestFolder}/bin"`,
    `cd ${quoted(folder)} || exit 126`,
    `exec ${command.map(quoted).join(' ')}`,
    '',
  ].join('\n')
}

/** A word as a POSIX shell takes it, whatever is in it. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}
