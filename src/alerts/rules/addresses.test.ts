import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressKind, canonicalAddress } from './addresses.ts';

for (const [what, addresses] of Object.entries({
  'link-local ones, where clouds keep credentials': ['169.254.169.254', 'fe80::1', 'fe80::1%eth0', 'fec0::1'],
  'other places where clouds keep credentials': [
    '100.64.0.1',
    '100.100.100.200',
    '100.127.255.255',
    '168.63.129.16',
    '192.0.0.192',
    'fd00:ec2::254',
    'FD00:0EC2:0:0:0:0:0:254',
    'fd20:ce::254',
  ],
  'those of no single machine': ['0.0.0.0', '224.0.0.1', '240.0.0.1', '255.255.255.255', '::', 'ff02::1'],
  'the same, written into an IPv6 address': [
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '::a9fe:a9fe',
    '::ffff:0:a9fe:a9fe',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b::169.254.169.254',
    '64:ff9b::6464:64c8',
    '64:ff9b:1::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
  ],
  'what is not an address': ['', 'localhost', '1.2.3'],
})) {
  test(`rejects ${what}`, () => {
    for (const address of addresses) assert.equal(addressKind(address), 'forbidden', address);
  });
}

for (const [kind, addresses] of Object.entries({
  loopback: ['127.0.0.1', '127.9.9.9', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', '::ffff:7f00:1', '64:ff9b::7f00:1'],
  private: ['10.0.0.1', '192.168.1.1', '172.16.0.1', '172.31.255.255', 'fd12::1', 'FC00::1', '::ffff:10.0.0.1', '2002:a00:1::1'],
  public: ['100.63.255.255', '100.128.0.0', '172.32.0.1', '93.184.216.34', '2606:2800:220::1', '64:ff9b::5db8:d822', '2002:5db8:d822::1'],
})) {
  test(`recognizes every spelling of a ${kind} address`, () => {
    for (const address of addresses) assert.equal(addressKind(address), kind, address);
  });
}

test('one address has one canonical spelling', () => {
  for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '::ffff:a01:203', '0:0:0:0:0:ffff:0a01:0203'])
    assert.equal(canonicalAddress(address), '10.1.2.3', address);
  assert.equal(canonicalAddress('fe80::1%eth0'), canonicalAddress('FE80:0:0:0::0001'));
  assert.equal(canonicalAddress('0:0:0:0:0:0:0:1'), '::1');
});
