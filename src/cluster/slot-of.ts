/** Which slot an endpoint is in. Slots are owned, not endpoints, so that the table of owners has one size. Pure. */

/** Enough for 40 gateways with a balance of 15 %. Fixed for the life of a cluster. */
export const slotCount = 256;

/** The same on every node and in every version: a change would give an endpoint two owners. */
export function slotOf(endpointName: string): number {
  return fnv1a32(endpointName.toLowerCase()) % slotCount;
}

/** The 32-bit FNV-1a hash of the text in UTF-8 (Fowler, Noll, Vo). */
function fnv1a32(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
