/**
 * Classifies addresses that webhooks are sent to. Forbidden: addresses that serve cloud credentials, link-local, multicast and unspecified addresses.
 * webhook-policy.ts decides whether other addresses are allowed. Pure.
 */
import { BlockList, isIP } from 'node:net';

const forbidden = new BlockList();
forbidden.addSubnet('0.0.0.0', 8);
forbidden.addSubnet('100.64.0.0', 10); // shared address space (RFC 6598): 100.100.100.200 serves credentials
forbidden.addSubnet('169.254.0.0', 16); // link-local: 169.254.169.254
forbidden.addAddress('168.63.129.16'); // Azure's host agent
forbidden.addSubnet('192.0.0.0', 24); // RFC 6890: 192.0.0.192 serves credentials
forbidden.addSubnet('224.0.0.0', 4);
forbidden.addSubnet('240.0.0.0', 4);
forbidden.addAddress('::', 'ipv6');
forbidden.addSubnet('64:ff9b:1::', 48, 'ipv6'); // local-use translation (RFC 8215): its target is unknown here
forbidden.addSubnet('fe80::', 10, 'ipv6');
forbidden.addSubnet('fec0::', 10, 'ipv6');
forbidden.addSubnet('ff00::', 8, 'ipv6');
forbidden.addAddress('fd00:ec2::254', 'ipv6');
forbidden.addAddress('fd20:ce::254', 'ipv6');

/** Prefixes of IPv6 addresses that embed an IPv4 address, and the 16-bit group at which it starts. */
const embeddings: readonly { readonly prefix: readonly number[]; readonly at: number }[] = [
  { prefix: [0, 0, 0, 0, 0, 0], at: 6 }, // compatible (RFC 4291)
  { prefix: [0, 0, 0, 0, 0, 0xffff], at: 6 }, // mapped (RFC 4291)
  { prefix: [0, 0, 0, 0, 0xffff, 0], at: 6 }, // translated (RFC 2765)
  { prefix: [0x64, 0xff9b, 0, 0, 0, 0], at: 6 }, // NAT64 (RFC 6052)
  { prefix: [0x2002], at: 1 }, // 6to4 (RFC 3056)
];

const privateNetworks = new BlockList();
privateNetworks.addSubnet('10.0.0.0', 8);
privateNetworks.addSubnet('172.16.0.0', 12);
privateNetworks.addSubnet('192.168.0.0', 16);
privateNetworks.addSubnet('fc00::', 7, 'ipv6');

/** `forbidden`: never called, regardless of the configuration. */
export type AddressKind = 'forbidden' | 'loopback' | 'private' | 'public';

/** The kind of an address, including an IPv4 address embedded in an IPv6 one. Text that is not an address is `forbidden`. */
export function addressKind(address: string): AddressKind {
  const [bare = ''] = address.split('%', 1); // drop the interface
  const family = isIP(bare);
  if (family === 0) return 'forbidden';
  if (family === 4) return kindOfV4(bare);
  if (isLoopback(bare)) return 'loopback';
  if (forbidden.check(bare, 'ipv6')) return 'forbidden';
  const inner = embedded(bare);
  if (inner !== null) return kindOfV4(inner);
  return privateNetworks.check(bare, 'ipv6') ? 'private' : 'public';
}

/** The canonical spelling of an address, for comparison: IPv4 if the address embeds one. */
export function canonicalAddress(address: string): string {
  const [bare = ''] = address.split('%', 1);
  if (isIP(bare) !== 6) return bare;
  if (isLoopback(bare)) return '::1';
  return embedded(bare) ?? groupsOf(bare).join(':');
}

function kindOfV4(address: string): AddressKind {
  if (forbidden.check(address)) return 'forbidden';
  if (address.startsWith('127.')) return 'loopback';
  return privateNetworks.check(address) ? 'private' : 'public';
}

/** `::1` looks like an embedded 0.0.0.1. */
function isLoopback(address: string): boolean {
  return groupsOf(address).join(':') === '0:0:0:0:0:0:0:1';
}

function embedded(address: string): string | null {
  const groups = groupsOf(address);
  const found = embeddings.find(({ prefix }) => prefix.every((group, index) => groups[index] === group));
  if (found === undefined) return null;
  const [high = 0, low = 0] = groups.slice(found.at);
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
}

/** The eight groups of an IPv6 address, in any spelling. */
function groupsOf(address: string): number[] {
  const plain = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [head = [], tail = []] = plain.split('::').map((half) => half.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: plain.includes('::') ? 8 - head.length - tail.length : 0 }, () => '0');
  return [...head, ...zeros, ...tail].map((group) => Number.parseInt(group, 16));
}
