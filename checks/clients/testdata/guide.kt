// A ride of the guide for apps, by both of its sides, with a live geogate.
fun main(args: Array<String>) {
    val town = Town(args[0]) { args[1] }
    val driver = "kotlin-7"
    val next = mapOf("matched" to "arrive", "arrived" to "start", "started" to "complete")
    fun report(age: Long = 0) = town.report(driver, 47.14, 9.52, System.currentTimeMillis() - age)

    report()
    val id = town.requestRide("Kotlin waits", 47.14, 9.52).getString("request_id")
    check(town.requestRide("Kotlin waits", 47.14, 9.52).getString("request_id") == id) { "another ride for the same key" }
    report(age = 10_000) // comes too late, which is no error

    val states = mutableListOf<String>()
    for (ride in town.follow(id)) { // each step follows the sight of the one before
        val state = ride.getString("state")
        states += state
        if (state == "offered") {
            val offer = town.nextOffer(driver)
            check(offer.getString("request_id") == id) { "another ride's offer: $offer" }
            town.accept(offer.getString("offer_id"), driver)
        }
        next[state]?.let {
            report()
            town.step(id, driver, it)
        }
    }
    val late = runCatching { town.step(id, driver, "arrive") }.exceptionOrNull()
    check(late is Refused && late.problem.getString("state") == "completed") { "arrived after the end: $late" }
    println(states.joinToString(","))
}
