import * as z from 'zod/mini'
import { addIssue, checked, later, optionsObject } from '../../options.js'
import type { GidEntry } from './device-attributes.js'

// A GID is 16 bytes. Inside this library it has one spelling, the full one: eight groups of four lower-case digits.

const expected = "expected a GID such as 'fe80::5054:ff:fe12:3456', '::ffff:10.77.0.1', or 32 hex digits"

/** A GID in any spelling; its output is the full one. */
export const gidOption = later(() =>
  z.pipe(
    z.string({ error: expected }),
    z.transform((text, context) => {
      const digits = digitsOf(text)
      if (digits !== undefined) return fullGid(digits)
      addIssue(context, expected)
      return z.NEVER
    }),
  ),
)

const spellings = ['short', 'full', 'digits'] as const
const formatOptions = later(() =>
  optionsObject({ spelling: z.optional(z.enum(spellings, { error: `expected one of ${spellings.join(', ')}` })) }),
)

/** A spelling of a GID: 'fe80::1', 'fe80:0000:0000:0000:0000:0000:0000:0001', or as 32 hex digits. */
export type GidSpelling = (typeof spellings)[number]

/**
 * A GID in one of three spellings.
 *
 * - 'short', the default: as an IPv6 address (RFC 5952): 'fe80::1', '::ffff:10.77.0.1'.
 * - 'full': all eight groups with all digits, as in `device.gids`.
 * - 'digits': the 32 hex digits that ibv_rc_pingpong and its kin send to each other.
 *
 * @param gid in any of these spellings, in upper or lower case
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`
 */
export function formatGid(gid: string, options: { readonly spelling?: GidSpelling | undefined } = {}): string {
  const full = checked('formatGid', gidOption, gid)
  const { spelling = 'short' } = checked('formatGid', formatOptions, options)
  if (spelling === 'full') return full
  return spelling === 'digits' ? full.replaceAll(':', '') : shortGid(full)
}

/** Whether a full GID stands for an IPv4 address (RFC 4291, 2.5.5.2). */
export function isMapped(gid: string): boolean {
  return gid.startsWith('0000:0000:0000:0000:0000:ffff:')
}

/** Whether a full GID is of use on one link only: link-local IPv6 (fe80::/10), or 169.254.0.0/16. */
export function isLinkLocal(gid: string): boolean {
  return /^fe[89ab]/.test(gid) || (isMapped(gid) && gid.startsWith('a9fe', 30))
}

/** Why a GID is preferred; the better ones first. */
const preferences: readonly (readonly [reason: string, holds: (entry: GidEntry) => boolean])[] = [
  ['RoCE v2 with an IPv4 address', ({ type, gid }) => type === 'RoCE v2' && isMapped(gid) && !isLinkLocal(gid)],
  ['RoCE v2 with a global IPv6 address', ({ type, gid }) => type === 'RoCE v2' && !isLinkLocal(gid)],
  ['RoCE v2, link-local: the port has no other', ({ type }) => type === 'RoCE v2'],
  ['the first of the port, which has none of RoCE v2', () => true],
]

/** A GID, and why it is preferred. */
export interface PreferredGid extends GidEntry {
  /** In words: 'RoCE v2 with an IPv4 address'. */
  readonly reason: string
}

/** The GID that connections use by default; undefined if there is none. */
export function preferredGid(entries: readonly GidEntry[]): PreferredGid | undefined {
  for (const [reason, holds] of preferences) {
    const found = entries.find(holds)
    if (found !== undefined) return { ...found, reason }
  }
  return undefined
}

/** Whether a full GID is that of a multicast group. */
export function isGroup(gid: string): boolean {
  return gid.startsWith('ff')
}

/** The full spelling of 32 lower-case digits. */
export function fullGid(digits: string): string {
  return digits.replace(/.{4}(?=.)/g, '$&:')
}

/** The 32 digits of a GID in any spelling; undefined for a text that is no GID. */
function digitsOf(text: string): string | undefined {
  if (/^[0-9a-f]{32}$/i.test(text)) return text.toLowerCase()
  // A zone ('%eth0') is not part of the address.
  if (!process.getBuiltinModule('node:net').isIPv6(text) || text.includes('%')) return undefined
  const [before = '', after = ''] = text
    .toLowerCase()
    .replace(/[\d.]+\.[\d.]+$/, hexGroups)
    .split('::')
  const [head, tail] = [digitsOfGroups(before), digitsOfGroups(after)]
  return head.padEnd(32 - tail.length, '0') + tail
}

function digitsOfGroups(groups: string): string {
  return groups === '' ? '' : groups.replace(/[^:]+:?/g, (group) => group.replace(':', '').padStart(4, '0'))
}

/** '10.77.0.1' as two groups: '0a4d:0001'. */
function hexGroups(dotted: string): string {
  return fullGid(
    dotted
      .split('.')
      .map((byte) => Number(byte).toString(16).padStart(2, '0'))
      .join(''),
  )
}

function shortGid(full: string): string {
  const groups = full.split(':').map((group) => Number.parseInt(group, 16))
  if (isMapped(full))
    return `::ffff:${groups
      .slice(6)
      .flatMap((group) => [group >>> 8, group & 0xff])
      .join('.')}`
  const written = groups.map((group) => group.toString(16)).join(':')
  // The longest run of two or more groups of zeros, the first of several (RFC 5952, 4.2).
  const runs = written.match(/\b0(?::0\b)+/g) ?? []
  const longest = runs.reduce((found, run) => (run.length > found.length ? run : found), '')
  if (longest === '') return written
  return written.replace(new RegExp(`(^|:)${longest}(:|$)`), '::')
}
