import { existsSync } from 'node:fs'
import { geteuid } from 'node:process'

// Commands that people can paste into a shell. pinfold only shows them. It starts no shell itself.

/** The prefix that runs a command as root. It is empty for root itself, since a container often has no sudo. */
export const sudo: '' | 'sudo ' = geteuid?.() === 0 ? '' : 'sudo '

/**
 * The command that writes a number or word to a file of root. It uses tee, since a redirection would be made with the
 * caller's rights and not with sudo's.
 */
export function writeCommand(path: string, word: string | number): string {
  return `echo ${word} | ${sudo}tee ${path}`
}

/** Joins words, and quotes each that a shell would split or interpret. */
export function quoteWords(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ')
}

/**
 * The command that adds options to the kernel command line of the next boot. It exists for grubby (Fedora, RHEL) and
 * for GRUB with Debian's /etc/default/grub.d; otherwise undefined.
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
