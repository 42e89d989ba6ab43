/**
 * Published figures of an independent implementation, by family, load and policy: share in time in percent, accuracy, and for elastic
 * fleets US dollars per million. One first-in first-out queue, service times that vary by 10 %, p95 <= 50 ms.
 */
export type PublishedCell = readonly [inTimePercent: number, accuracy: number, usdPerMillion?: number];
export type PublishedTable = Readonly<Record<string, Readonly<Record<string, PublishedCell>>>>;

/** By `family, load`, then by policy. */
export const publishedFixed: PublishedTable = {
  'digits, Azure code': {
    'always-best': [4.4, 0.9978],
    'always-cheapest': [100, 0.9491],
    proteus: [26, 0.9895],
    singles: [100, 0.9868],
    degrade: [100, 0.9962],
  },
  'digits, Azure chat': {
    'always-best': [8.4, 0.9978],
    'always-cheapest': [100, 0.9487],
    proteus: [75.6, 0.9857],
    singles: [100, 0.9927],
    degrade: [100, 0.9978],
  },
  'digits, Twitter': {
    'always-best': [61.1, 0.9978],
    'always-cheapest': [100, 0.9489],
    proteus: [99, 0.994],
    singles: [100, 0.9957],
    degrade: [100, 0.9978],
  },
  'digits, NASA': {
    'always-best': [100, 0.9978],
    'always-cheapest': [100, 0.9488],
    proteus: [100, 0.9978],
    singles: [100, 0.9978],
    degrade: [100, 0.9978],
  },
  'fashion, Azure code': {
    'always-best': [5.3, 0.9152],
    'always-cheapest': [100, 0.8303],
    proteus: [25.5, 0.8994],
    singles: [100, 0.8945],
    degrade: [100, 0.91],
  },
  'fashion, Azure chat': {
    'always-best': [12.4, 0.9154],
    'always-cheapest': [100, 0.8306],
    proteus: [73.7, 0.8928],
    singles: [100, 0.9069],
    degrade: [100, 0.9147],
  },
  'fashion, Twitter': {
    'always-best': [62.4, 0.9152],
    'always-cheapest': [100, 0.8306],
    proteus: [99, 0.9076],
    singles: [100, 0.9112],
    degrade: [100, 0.9148],
  },
  'fashion, NASA': {
    'always-best': [100, 0.9153],
    'always-cheapest': [100, 0.8307],
    proteus: [100, 0.9153],
    singles: [100, 0.9153],
    degrade: [100, 0.9153],
  },
};

/** By `family, load`, then by policy. */
export const publishedElastic: PublishedTable = {
  'digits, Azure code': {
    'always-best': [43.17, 0.9978, 0.099],
    'always-best+functions': [97.46, 0.9978, 0.1642],
    'floor+functions': [100, 0.9935, 0.0533],
    'select+functions': [99.98, 0.9972, 0.055],
    degrade: [99.99, 0.9962, 0.046],
  },
  'digits, Azure chat': {
    'always-best': [93.07, 0.9978, 0.0445],
    'always-best+functions': [99.79, 0.9978, 0.0478],
    'floor+functions': [100, 0.9933, 0.0214],
    'select+functions': [99.99, 0.9978, 0.0214],
    degrade: [99.99, 0.9978, 0.0214],
  },
  'digits, Twitter': {
    'always-best': [87.32, 0.9978, 0.0381],
    'always-best+functions': [99.57, 0.9978, 0.0473],
    'floor+functions': [100, 0.9933, 0.0152],
    'select+functions': [99.98, 0.9977, 0.0156],
    degrade: [99.98, 0.9976, 0.0152],
  },
  'digits, NASA': {
    'always-best': [100, 0.9978, 0.0475],
    'always-best+functions': [100, 0.9978, 0.0475],
    'floor+functions': [100, 0.9933, 0.0229],
    'select+functions': [99.98, 0.9978, 0.0229],
    degrade: [99.98, 0.9978, 0.0229],
  },
  'fashion, Azure code': {
    'always-best': [43.31, 0.9152, 0.0946],
    'always-best+functions': [96.97, 0.9152, 0.1541],
    'floor+functions': [99.88, 0.9131, 0.0896],
    'select+functions': [99.86, 0.9139, 0.0918],
    degrade: [99.97, 0.9113, 0.0536],
  },
  'fashion, Azure chat': {
    'always-best': [94.41, 0.9154, 0.0445],
    'always-best+functions': [99.8, 0.9154, 0.0469],
    'floor+functions': [100, 0.9134, 0.0219],
    'select+functions': [99.96, 0.9148, 0.0233],
    degrade: [99.98, 0.9147, 0.0214],
  },
  'fashion, Twitter': {
    'always-best': [87.81, 0.9152, 0.0365],
    'always-best+functions': [99.5, 0.9152, 0.0446],
    'floor+functions': [99.98, 0.9132, 0.0236],
    'select+functions': [99.95, 0.9145, 0.0242],
    degrade: [99.98, 0.9141, 0.0177],
  },
  'fashion, NASA': {
    'always-best': [100, 0.9153, 0.0467],
    'always-best+functions': [100, 0.9153, 0.0467],
    'floor+functions': [100, 0.9133, 0.0229],
    'select+functions': [99.99, 0.9152, 0.023],
    degrade: [99.99, 0.9151, 0.0229],
  },
};
