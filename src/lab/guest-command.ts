import { guestFolder } from './guest-init.js'

/**
 * Variables of this process that a command in the lab gets, too: about the user, the paths, the language and the
 * terminal.
 */
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

/** The address of a host in the network of the lab's machines. */
export function hostAddress(host: number): string {
  return `10.77.0.${host + 1}`
}

/** The variables that tell a host its number and the addresses of the others. */
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
 * The script that runs a command in the guest, in the current folder of this process. On the PATH, busybox's applets
 * come after the host's programs.
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

/** The line of a script by which the file at `path` is the guest's own file `by` for all commands. */
export function replacingFile(path: string, by: string): string {
  return path === by ? '' : `${guestFolder}/busybox mount --bind ${quoted(by)} ${quoted(path)} || exit 126\n`
}

/** Quotes a word for a POSIX shell, whatever the word contains. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}
