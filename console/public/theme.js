// Before the first paint, so that nobody in the dark is flashed at. A file of its own: the policy of the page allows no inline script.
(() => {
  let wanted = null;
  try {
    wanted = localStorage.getItem('mantine-color-scheme-value');
  } catch {
    // A browser that keeps nothing: as the system has it.
  }
  const system = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  document.documentElement.setAttribute('data-mantine-color-scheme', wanted === 'light' || wanted === 'dark' ? wanted : system);
})();
