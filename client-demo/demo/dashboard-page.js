import { mountDashboard } from './dashboard.js'
import { mountWithSignIn } from './token-form.js'

const place = document.getElementById('dashboard')
mountWithSignIn(place, 'observer', (token) => mountDashboard(place, { token }))
