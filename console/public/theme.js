// Sets the colour scheme before the first paint, which avoids a white flash. It is a separate file because the CSP forbids inline scripts.
(() => {
  let wanted = null;
  try {
    wanted = localStorage.getItem('mantine-color-scheme-value');
  } catch {
    // Without storage, follow the system.
  }
  const system = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  document.documentElement.setAttribute('data-mantine-color-scheme', wanted === 'light' || wanted === 'dark' ? wanted : system);
})();
