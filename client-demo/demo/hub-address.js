// Where the hub is that served these pages, also below the path of its public URL.

export const HUB = new URL('../ws', import.meta.url)
export const TEMPLATES = new URL('../templates', import.meta.url)
