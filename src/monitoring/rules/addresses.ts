/**
 * Which addresses no webhook is sent to: those where clouds keep their credentials, and those of no single machine. Loopback and private
 * addresses are called, for that is where the receivers of a self-hosted server live. Pure.
 */
import { BlockList, isIP } from 'node:net';

const forbidden = new BlockList();
forbidden.addSubnet('0.0.0.0', 8);
forbidden.addSubnet('100.64.0.0', 10); // shared by carriers and clouds (RFC 6598): 100.100.100.200 hands out credentials
forbidden.addSubnet('169.254.0.0', 16); // link-local: 169.254.169.254
forbidden.addAddress('168.63.129.16'); // a cloud's own agent answers there
forbidden.addSubnet('192.0.0.0', 24); // RFC 6890: 192.0.0.192 hands out credentials
forbidden.addSubnet('224.0.0.0', 4);
forbidden.addSubnet('240.0.0.0', 4);
forbidden.addAddress('::', 'ipv6');
forbidden.addSubnet('64:ff9b:1::', 48, 'ipv6'); // a translator's own (RFC 8215): what it leads to is not to be seen from here
forbidden.addSubnet('fe80::', 10, 'ipv6');
forbidden.addSubnet('fec0::', 10, 'ipv6');
forbidden.addSubnet('ff00::', 8, 'ipv6');
forbidden.addAddress('fd00:ec2::254', 'ipv6');
forbidden.addAddress('fd20:ce::254', 'ipv6');

/** Prefixes below which an IPv4 address is written into an IPv6 one, and the 16-bit group in which it begins. */
const embeddings: readonly { readonly prefix: readonly number[]; readonly at: number }[] = [
  { prefix: [0, 0, 0, 0, 0, 0], at: 6 }, // compatible (RFC 4291)
  { prefix: [0, 0, 0, 0, 0, 0xffff], at: 6 }, // mapped (RFC 4291)
  { prefix: [0, 0, 0, 0, 0xffff, 0], at: 6 }, // translated (RFC 2765)
  { prefix: [0x64, 0xff9b, 0, 0, 0, 0], at: 6 }, // NAT64 (RFC 6052)
  { prefix: [0x2002], at: 1 }, // 6to4 (RFC 3056)
];

/** Whether an address may be called; false too for what is none. */
export function isCallable(address: string): boolean {
  const [bare = ''] = address.split('%', 1); // what follows is the interface
  const family = isIP(bare);
  if (family === 4) return !forbidden.check(bare);
  if (family === 0 || (!isLoopback(bare) && forbidden.check(bare, 'ipv6'))) return false;
  const inner = embedded(bare);
  return isLoopback(bare) || inner === null || !forbidden.check(inner);
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

/** The eight groups of an IPv6 address, however it is written. */
function groupsOf(address: string): number[] {
  const plain = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [head = [], tail = []] = plain.split('::').map((half) => half.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: plain.includes('::') ? 8 - head.length - tail.length : 0 }, () => '0');
  return [...head, ...zeros, ...tail].map((group) => Number.parseInt(group, 16));
}
