// Returns each visible text of the page whose contrast to its background is lower than `least` (WCAG 2.2, section 1.4.3).
(least) => {
  const parsed = (color) => [...color.match(/[\d.]+/g).map(Number), 1].slice(0, 4);
  const over = (above, below) => [0, 1, 2].map((i) => above[i] * above[3] + below[i] * (1 - above[3]));
  const luminance = (color) => {
    const [red, green, blue] = color.map((value) =>
      value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (element) => {
    if (!element) return [255, 255, 255];
    const color = parsed(getComputedStyle(element).backgroundColor);
    return color[3] === 1 ? color.slice(0, 3) : over(color, ground(element.parentElement));
  };
  const faint = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const text = texts.currentNode.textContent.trim();
    const hidden = !element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    if (!text || hidden || element.closest("script, style, noscript")) continue;
    const below = ground(element);
    const [dark, light] = [below, over(parsed(getComputedStyle(element).color), below)].map(luminance).sort();
    if ((light + 0.05) / (dark + 0.05) < least) faint.add(`${element.tagName}.${element.className}: ${text}`);
  }
  return [...faint];
}
