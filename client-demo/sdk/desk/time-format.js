// Times in words.

/** `10:32`, in the reader's own way. @param {number | string} at */
export function timeOfDay(at) {
  const date = new Date(at)
  return Number.isNaN(date.getTime()) ? '' : date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
}

/** `< 1 min`, `4 min`, `2 h 5 min`. @param {number} ms */
export function duration(ms) {
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 1) return '< 1 min'
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** `4 s`, `3 min`: how far a clock is off. @param {number} ms */
export function span(ms) {
  const seconds = Math.round(Math.abs(ms) / 1_000)
  return seconds < 90 ? `${seconds} s` : duration(seconds * 1_000)
}
