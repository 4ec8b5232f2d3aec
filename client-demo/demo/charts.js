// Charts, drawn as SVG. Colours come from the style sheet, by class; each has a sentence that says what it shows.

const SVG = 'http://www.w3.org/2000/svg'
const HEIGHT = 180
const LEFT = 34
const BOTTOM = 24
const TOP = 8
const GAP = 2
/** The least width of a label below the axis. A label that would overlap its neighbour is left out. */
const LABEL_WIDTH = 46

/**
 * Bars of which each is a stack.
 * @param {{ label: string, values: readonly number[], title: string }[]} bars `label` empty where the axis should say
 *   nothing
 * @param {readonly string[]} classes one for each layer, lowest first
 * @param {string} said what a screen reader is told in place of the picture
 * @param {number} width in pixels, so that words are as large as elsewhere on the page
 */
export function stackedBars(bars, classes, said, width) {
  const svg = node('svg', {
    viewBox: `0 0 ${width} ${HEIGHT}`,
    width,
    height: HEIGHT,
    role: 'img',
    'aria-label': said,
    class: 'chart',
  })
  const highest = Math.max(1, ...bars.map(({ values }) => sum(values)))
  const top = ceiling(highest)
  const height = HEIGHT - BOTTOM - TOP
  const y = (value) => TOP + height - (value / top) * height
  for (const line of lines(top)) {
    svg.append(
      node('line', { x1: LEFT, x2: width, y1: y(line), y2: y(line), class: line ? 'grid' : 'axis' }),
      node('text', { x: LEFT - 6, y: y(line) + 4, class: 'scale' }, String(line)),
    )
  }
  const step = (width - LEFT) / bars.length
  let free = 0
  bars.forEach(({ label, values, title }, n) => {
    const x = LEFT + n * step
    let below = 0
    const group = node('g', {})
    values.forEach((value, layer) => {
      if (!value) return
      group.append(
        node('rect', {
          x: x + GAP / 2,
          width: Math.max(1, step - GAP),
          y: y(below + value),
          height: y(below) - y(below + value),
          class: classes[layer],
        }),
      )
      below += value
    })
    if (below) group.append(node('title', {}, title))
    svg.append(group)
    const middle = x + step / 2
    if (!label || middle - LABEL_WIDTH / 2 < free || middle + LABEL_WIDTH / 2 > width) return
    svg.append(node('text', { x: middle, y: HEIGHT - 6, class: 'label' }, label))
    free = middle + LABEL_WIDTH / 2
  })
  return svg
}

/** The smallest round number that is at least `value`. */
function ceiling(value) {
  const unit = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 4, 5, 10].map((factor) => factor * unit).find((round) => round >= value) ?? value
}

/** The values of the grid lines: whole numbers, at most five. */
function lines(top) {
  const parts = [4, 5, 2, 1].find((count) => Number.isInteger(top / count)) ?? 1
  return Array.from({ length: parts + 1 }, (_, n) => (top / parts) * n)
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0)
}

function node(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value))
  if (text !== undefined) made.textContent = text
  return made
}
