/** Bytes behind a block that are nobody's, at least; those up to the next granule are, too. */
export const redZoneBytes = 16

/** Of no text, and no small number: not zero, which many programs write past an end. */
const mark = 0xfd

/** Marks bytes that nobody may write to. */
export function markRedZone(bytes: Uint8Array): void {
  bytes.fill(mark)
}

/** Place of the first of such bytes that was written to; -1 when none was. */
export function firstWritten(bytes: Uint8Array): number {
  return bytes.findIndex((byte) => byte !== mark)
}
