import { existsSync } from 'node:fs'
import { geteuid } from 'node:process'

// Commands as people paste them into a shell. They are only ever shown: pinfold itself starts no shell.

/** The word that makes a command root's, or nothing for root itself (in a container there is often no sudo). */
export const sudo: '' | 'sudo ' = geteuid?.() === 0 ? '' : 'sudo '

/** Writes a number or word into a file of root's. Not by a redirection, which would be the caller's and not sudo's. */
export function writeCommand(path: string, word: string | number): string {
  return `echo ${word} | ${sudo}tee ${path}`
}

/** Words, each quoted where a shell would take it apart. */
export function quoteWords(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ')
}

/**
 * Adds options to the kernel command line of the next boot, where this machine's boot loader is one that has a command
 * for it: grubby (Fedora, RHEL), or GRUB with Debian's /etc/default/grub.d.
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
