import { existsSync } from 'node:fs'
import { sudo } from './doctor/finding.js'

/**
 * The command that adds options to the kernel command line of the next boot, where this machine's boot loader is one
 * that has such a command: grubby (Fedora, RHEL), or GRUB with Debian's /etc/default/grub.d.
 */
export function kernelOptionCommand(options: string, name: string): string | undefined {
  if (existsSync('/usr/sbin/grubby') || existsSync('/sbin/grubby')) {
    return `${sudo}grubby --update-kernel=ALL --args="${options}"`
  }
  if (existsSync('/usr/sbin/update-grub') && existsSync('/etc/default/grub')) {
    const line = `GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX ${options}"`
    return `echo '${line}' | ${sudo}tee /etc/default/grub.d/${name}.cfg && ${sudo}update-grub`
  }
  return undefined
}
