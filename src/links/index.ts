export {
  type CertifiedKey,
  certificateRequest,
  createAuthority,
  issueCertificate,
  newPrivateKey,
  requestedKey,
} from './certificates.ts';
export { HomeDialer, type HomeDialerOptions } from './home-dialer.ts';
export { introductionBytes, readIntroduction } from './introduction.ts';
export { type LinkIdentity, type LinkPeer, peerName } from './link-peer.ts';
export { defaultLinkLimits, type LinkKind, type LinkLimits, LinkPort, type LinkRequest, type ServeLink } from './link-port.ts';
